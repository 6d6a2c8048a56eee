"""`make audit`: lints the templates as CloudFormation gets them, and checks them for insecure settings.

It runs in an environment of its own: checkov is heavy, and SAM's translator needs other versions than the
node. cfn-lint sees only the outside of SAM's resources, so each package is first translated as CloudFormation
would do it. checkov reads the packages themselves; `infra/checkov.yaml` has its accepted findings with
reasons.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

INFRA = Path(__file__).parent
OWN = [INFRA / "resources.yaml", INFRA / "account.yaml"]


def translate(package: Path) -> Path:
    """Write SAM's translation of a package's template beside it."""
    # Imported here: they exist in the audit's own environment only, and other tools read this file too.
    import boto3
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator

    template: dict[str, Any] = json.loads((package / "sam.json").read_text(encoding="utf-8"))
    for resource in template["Resources"].values():
        for uri in ("CodeUri", "ContentUri"):
            if uri in resource["Properties"]:
                resource["Properties"][uri] = {"Bucket": "where-zips-are", "Key": "zip"}
    session = boto3.Session(region_name="eu-west-1")
    made = Translator({}, Parser(), boto_session=session).translate(template, {})
    target = package / "translated.json"
    target.write_text(json.dumps(made, indent=1), encoding="utf-8")
    return target


def main(packages: list[Path]) -> int:
    """Audit packages. Returns 0 when there is no finding."""
    tools = Path(sys.executable).parent
    translated = [translate(package) for package in packages]
    lint = subprocess.run([tools / "cfn-lint", *OWN, *translated], check=False)
    files = [part for path in (*OWN, *(each / "sam.json" for each in packages)) for part in ("-f", str(path))]
    check = subprocess.run([tools / "checkov", "--config-file", INFRA / "checkov.yaml", *files], check=False)
    print(f"cfn-lint: {lint.returncode}, checkov: {check.returncode}")
    return lint.returncode or check.returncode


if __name__ == "__main__":
    sys.exit(main([Path(each) for each in sys.argv[1:]]))
