"""Paths find their resources as they do in API Gateway."""

from __future__ import annotations

import pytest

from chalicelib.route_tree import Match, RouteTree

TREE = RouteTree(
    [
        "/ocpi/versions",
        "/ocpi/{version}",
        "/locations",
        "/locations/{location_id}",
        "/locations/{location_id}/{evse_uid}",
    ]
)


@pytest.mark.parametrize(
    ("path", "match"),
    [
        ("/locations", Match("/locations", {})),
        ("/locations/", Match("/locations", {})),
        ("/locations/L1", Match("/locations/{location_id}", {"location_id": "L1"})),
        ("/locations/L1/", Match("/locations/{location_id}", {"location_id": "L1"})),
        ("/locations/A%2FB%20*", Match("/locations/{location_id}", {"location_id": "A%2FB%20*"})),
        (
            "/locations/L1/E",
            Match("/locations/{location_id}/{evse_uid}", {"location_id": "L1", "evse_uid": "E"}),
        ),
        ("/ocpi/versions", Match("/ocpi/versions", {})),
        ("/ocpi/2.2.1", Match("/ocpi/{version}", {"version": "2.2.1"})),
    ],
)
def test_a_path_finds_its_resource_with_its_parameters_still_encoded(path: str, match: Match) -> None:
    assert TREE.find(path) == match


@pytest.mark.parametrize(
    "path", ["/", "", "/nothing", "/locations/L1/E/1", "/locations//E", "/ocpi", "//locations"]
)
def test_an_unknown_path_has_no_resource(path: str) -> None:
    assert TREE.find(path) is None
