"""Tests of the choice of a node by name or by URL and key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.nodes import ChosenNode, NodeChoice, choose_node
from cli.operator_client import OperatorApiError


def test_a_url_with_its_key_overrides_the_sandbox(tmp_path: Path) -> None:
    chosen = choose_node(NodeChoice("cpo", "https://node/operator", "k"), tmp_path / "none.json")

    assert chosen == ChosenNode("https://node/operator", "k")


def test_a_name_selects_a_node_of_the_running_sandbox(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.json"
    file.write_text(json.dumps({"hub": {"operator_url": "http://hub/operator", "operator_key": "h"}}))

    assert choose_node(NodeChoice("hub"), file) == ChosenNode("http://hub/operator", "h")
    with pytest.raises(OperatorApiError, match="no node 'moon', only hub"):
        choose_node(NodeChoice("moon"), file)


@pytest.mark.parametrize("choice", [NodeChoice("cpo"), NodeChoice("cpo", "https://node/operator")])
def test_the_error_without_a_sandbox_or_key_names_the_missing_option(
    tmp_path: Path, choice: NodeChoice
) -> None:
    with pytest.raises(OperatorApiError, match="--key"):
        choose_node(choice, tmp_path / "none.json")
