"""Packages a stage as `make package` does, with the differences that this machine needs.

*Wheels.* The stages are for arm64; ministack runs the functions on this machine's processor, so the layer
holds this machine's wheels.

*Environment.* No resolver here knows API Gateway's own host names, so each node has a domain of its own
(`OCPI_PUBLIC_URL`), on loopback, which `OCPI_ALLOW_LOOPBACK` allows. The CPO gives its CSMS ten seconds,
because one scenario waits for a CSMS that does not answer.
"""

from __future__ import annotations

import hashlib
import json
import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import stages
from infra.package import build, run_chalice_package

COMMAND_SECONDS = "10"


@dataclass(frozen=True)
class Package:
    """A package for CloudFormation: a template, and zips by the names that it uses for them."""

    template: dict[str, Any]
    zips: dict[str, bytes]

    def with_marker(self, marker: str) -> Package:
        """Return the same package with another code zip, which CloudFormation takes for a new release."""
        return Package(
            self.template, {**self.zips, "./deployment.zip": _add_file(self.zips["./deployment.zip"], marker)}
        )


def make_package(stage: str, public_url: str) -> Package:
    """Package a stage for this machine."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(stage, folder, stages.names(stage))
        adapt(folder / ".chalice" / "config.json", stage, public_url)
        run_chalice_package(stage, folder)
        out = folder / "out"
        return Package(
            json.loads((out / "sam.json").read_text(encoding="utf-8")),
            {f"./{each.name}": each.read_bytes() for each in out.glob("*.zip")},
        )


def adapt(config: Path, stage: str, public_url: str) -> None:
    """Write the differences of this machine into a stage's configuration."""
    document = json.loads(config.read_text(encoding="utf-8"))
    document["lambda_architecture"] = machine_architecture()
    document["stages"][stage]["environment_variables"] |= differences(public_url)
    config.write_text(json.dumps(document, indent=2), encoding="utf-8")


def differences(public_url: str) -> dict[str, str]:
    """Variables of a node that differ from those on AWS."""
    return {
        "OCPI_PUBLIC_URL": public_url,
        "OCPI_ALLOW_LOOPBACK": "1",
        "OCPI_COMMAND_SECONDS": COMMAND_SECONDS,
    }


def machine_architecture() -> str:
    """Lambda's name for this machine's processor."""
    return "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"


def upload(package: Package, s3: Any, bucket: str, stage: str) -> str:
    """Upload a package's files for CloudFormation. Returns the URL of the template."""
    text = json.dumps(package.template)
    for name, content in package.zips.items():
        key = f"{stage}/{hashlib.sha256(content).hexdigest()}.zip"
        s3.put_object(Bucket=bucket, Key=key, Body=content)
        text = text.replace(json.dumps(name), json.dumps(f"s3://{bucket}/{key}"))
    body = text.encode()
    key = f"{stage}/{hashlib.sha256(body).hexdigest()}.json"
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    return f"{s3.meta.endpoint_url}/{bucket}/{key}"


def _add_file(zipped: bytes, marker: str) -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO(zipped)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("release.txt", marker)
    return buffer.getvalue()
