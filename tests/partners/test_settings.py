"""Settings of a partner: in all places from one model, and flat in JSON."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from chalicelib.partners.directory import Partner
from chalicelib.partners.settings import PartnerSettings

ROOT = Path(__file__).parents[2]
OTHERS = (
    "strict=false pull={} trailing_slash=keep credentials_listed_once=false endpoints_with_slash=false "
    "only_version="
)
OLD_RECORD = (Path(__file__).parent / "old_record.json").read_text(encoding="utf-8")
"""A partner as it was stored before the settings had a model."""


def test_a_record_from_before_the_model_is_read() -> None:
    partner = Partner.model_validate_json(OLD_RECORD)

    assert partner.settings_json() == {
        "name": "ABC Charging",
        "token_encoding": "raw",
        "profiles": ["ptmob", "cpo_makes_cdr"],
        "strict": False,
        "pull": {},
        "trailing_slash": "keep",
        "credentials_listed_once": False,
        "endpoints_with_slash": False,
        "only_version": "",
    }
    assert (partner.id, partner.version, partner.revision) == ("abc", "2.2.1", 7)


def test_a_record_keeps_its_form_and_gains_new_fields_only() -> None:
    """So a node of the release before can read it as well."""
    written = json.loads(Partner.model_validate_json(OLD_RECORD).model_dump_json())

    old = json.loads(OLD_RECORD)
    assert {name: value for name, value in written.items() if name in old} == old
    assert written.keys() - old.keys() == {
        "strict", "pull", "sends_raw_tokens", "encoding_origin", "endpoint_notes",
        "trailing_slash", "credentials_listed_once", "endpoints_with_slash", "expected_role",
            "hub_clients",
        "only_version",
    }  # fmt: skip


def test_each_setting_but_the_name_has_a_default() -> None:
    """A record that was stored before a setting existed lacks it."""
    assert [name for name, field in PartnerSettings.model_fields.items() if field.is_required()] == ["name"]


def test_each_setting_is_documented() -> None:
    text = (ROOT / "docs/operator-api.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"\| setting \| values \| meaning \|\n\|---\|---\|---\|\n((?:\|.*\n)+)", text)

    assert re.findall(r"^\| `(\w+)`", table, re.M) == list(PartnerSettings.model_fields)


def test_a_new_setting_is_one_field() -> None:
    """In a process of its own, because models that inherit from it are made when they are imported."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.partners.made_up_setting"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1]) == {
        "default": f"name=First token_encoding=base64 profiles=[] {OTHERS} greeting=hello",
        "invited": f"name=Hub token_encoding=base64 profiles=[] {OTHERS} greeting=bom dia",
        "changed": f"name=Hub token_encoding=base64 profiles=[] {OTHERS} greeting=boa noite",
        "stored": "boa noite",
        "registered": f"name=CPO token_encoding=base64 profiles=[] {OTHERS} greeting=olá",
        "refused": ["greeting"],
    }
