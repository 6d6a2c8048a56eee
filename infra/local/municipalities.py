"""Municipalities of Portugal, the islands among them, in which the generated sites lie.

The codes are three letters, as in the real network's location ids; coordinates are of the town.
"""

from __future__ import annotations

from typing import NamedTuple

MAINLAND = "Europe/Lisbon"
MADEIRA = "Atlantic/Madeira"
AZORES = "Atlantic/Azores"


class Municipality(NamedTuple):
    """A municipality; `weight` is its share of sites compared with the others."""

    code: str
    name: str
    state: str
    postal_prefix: int
    latitude: float
    longitude: float
    weight: int
    time_zone: str = MAINLAND


MUNICIPALITIES = (
    Municipality("LSB", "Lisboa", "Lisboa", 1000, 38.7223, -9.1393, 30),
    Municipality("PRT", "Porto", "Porto", 4000, 41.1579, -8.6291, 16),
    Municipality("VNG", "Vila Nova de Gaia", "Porto", 4400, 41.1333, -8.6167, 8),
    Municipality("SNT", "Sintra", "Lisboa", 2710, 38.8029, -9.3817, 9),
    Municipality("CSC", "Cascais", "Lisboa", 2750, 38.6979, -9.4215, 8),
    Municipality("LRS", "Loures", "Lisboa", 2670, 38.8309, -9.1685, 6),
    Municipality("AMD", "Amadora", "Lisboa", 2700, 38.7538, -9.2308, 5),
    Municipality("OER", "Oeiras", "Lisboa", 2780, 38.6970, -9.3017, 7),
    Municipality("ALM", "Almada", "Setúbal", 2800, 38.6790, -9.1569, 5),
    Municipality("SXL", "Seixal", "Setúbal", 2840, 38.6426, -9.1047, 4),
    Municipality("STB", "Setúbal", "Setúbal", 2900, 38.5244, -8.8882, 5),
    Municipality("MTS", "Matosinhos", "Porto", 4450, 41.1844, -8.6963, 6),
    Municipality("GDM", "Gondomar", "Porto", 4420, 41.1445, -8.5322, 3),
    Municipality("MAI", "Maia", "Porto", 4470, 41.2357, -8.6199, 4),
    Municipality("BRG", "Braga", "Braga", 4700, 41.5454, -8.4265, 7),
    Municipality("GMR", "Guimarães", "Braga", 4800, 41.4444, -8.2962, 4),
    Municipality("VNF", "Vila Nova de Famalicão", "Braga", 4760, 41.4080, -8.5198, 3),
    Municipality("VCT", "Viana do Castelo", "Viana do Castelo", 4900, 41.6932, -8.8329, 3),
    Municipality("VRL", "Vila Real", "Vila Real", 5000, 41.3006, -7.7441, 2),
    Municipality("BGC", "Bragança", "Bragança", 5300, 41.8061, -6.7567, 2),
    Municipality("AVR", "Aveiro", "Aveiro", 3800, 40.6405, -8.6538, 5),
    Municipality("CBR", "Coimbra", "Coimbra", 3000, 40.2033, -8.4103, 6),
    Municipality("FFZ", "Figueira da Foz", "Coimbra", 3080, 40.1508, -8.8618, 2),
    Municipality("VIS", "Viseu", "Viseu", 3500, 40.6566, -7.9125, 4),
    Municipality("GRD", "Guarda", "Guarda", 6300, 40.5373, -7.2675, 2),
    Municipality("CVL", "Covilhã", "Castelo Branco", 6200, 40.2806, -7.5043, 2),
    Municipality("CTB", "Castelo Branco", "Castelo Branco", 6000, 39.8222, -7.4931, 2),
    Municipality("LRA", "Leiria", "Leiria", 2400, 39.7436, -8.8071, 5),
    Municipality("STR", "Santarém", "Santarém", 2000, 39.2362, -8.6868, 3),
    Municipality("PTG", "Portalegre", "Portalegre", 7300, 39.2967, -7.4285, 1),
    Municipality("EVR", "Évora", "Évora", 7000, 38.5714, -7.9135, 3),
    Municipality("BJA", "Beja", "Beja", 7800, 38.0151, -7.8632, 2),
    Municipality("SNS", "Sines", "Setúbal", 7520, 37.9561, -8.8698, 1),
    Municipality("FAR", "Faro", "Faro", 8000, 37.0194, -7.9304, 4),
    Municipality("ABF", "Albufeira", "Faro", 8200, 37.0891, -8.2479, 5),
    Municipality("PTM", "Portimão", "Faro", 8500, 37.1366, -8.5377, 4),
    Municipality("LLE", "Loulé", "Faro", 8100, 37.1379, -8.0197, 5),
    Municipality("FNC", "Funchal", "Madeira", 9000, 32.6669, -16.9241, 4, MADEIRA),
    Municipality("SCZ", "Santa Cruz", "Madeira", 9100, 32.6884, -16.7910, 1, MADEIRA),
    Municipality("PDL", "Ponta Delgada", "Açores", 9500, 37.7412, -25.6756, 2, AZORES),
    Municipality("AGH", "Angra do Heroísmo", "Açores", 9700, 38.6545, -27.2177, 1, AZORES),
)
