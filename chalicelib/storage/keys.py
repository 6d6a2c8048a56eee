"""Names and keys of objects in the table.

A ref's text is `{module}#{country_code}*{party_id}#{id}`. If ids are unique only with a variant (a token's
type), `#{variant}` follows. The key has the same text in one case, because OCPI compares CiStrings
without case; the item keeps the original text. `%` and `#` inside a part are percent-encoded, so a
text names one object only.

Source: OCPI 2.2.1 types_cistring_type; TYP-01, OWN-02, OWN-05
"""

from __future__ import annotations

from typing import NamedTuple

from chalicelib.protocol.message import Party
from chalicelib.protocol.types import fold
from chalicelib.storage.table import Key


class Ref(NamedTuple):
    """The name of one object: its module, its owner and its id, in their original case."""

    module: str
    country_code: str
    party_id: str
    id: str
    variant: str = ""

    @property
    def owner(self) -> Party:
        """The party whose object it is."""
        return Party(self.country_code, self.party_id)

    @property
    def key(self) -> Key:
        """Key of the object's main item.

        >>> Ref("tariffs", "pt", "ABC", "t-1").key.pk
        'tariffs#PT*ABC#T-1'
        """
        module, _, rest = str(self).partition("#")
        return Key(f"{module}#{fold(rest)}")

    @classmethod
    def parse(cls, text: str) -> Ref:
        """Read a ref's text, or the pk of an item (then the parts are in upper case).

        >>> Ref.parse("tokens#PT*EVI#0102#RFID").variant
        'RFID'
        """
        module, party, *ids = text.split("#")
        country_code, _, party_id = party.partition("*")
        return cls(module, country_code, _decode(party_id), *(_decode(part) for part in ids))

    def __str__(self) -> str:
        parts = [self.module, f"{self.country_code}*{_encode(self.party_id)}", _encode(self.id)]
        return "#".join([*parts, _encode(self.variant)] if self.variant else parts)


def for_log(text: str) -> str:
    """Return a ref's text, or an item's pk, for the log: without a token's uid, which is a driver's data.

    >>> for_log("tokens#PT*EVI#0102#RFID"), for_log("tariffs#PT*ABC#T-1")
    ('tokens#PT*EVI#…#RFID', 'tariffs#PT*ABC#T-1')
    """
    module, *parts = text.split("#")
    return "#".join([module, parts[0], "…", *parts[2:]]) if module == "tokens" and len(parts) > 1 else text


def _encode(part: str) -> str:
    return part.replace("%", "%25").replace("#", "%23")


def _decode(part: str) -> str:
    return part.replace("%23", "#").replace("%25", "%")
