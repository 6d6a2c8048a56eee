"""Differences between a package for this machine and one for AWS: the intended ones, and no other."""

import io
import json
import zipfile
from pathlib import Path

from infra import stages
from infra.e2e.packages import Package, adapt, differences, machine_architecture


def test_only_the_processor_and_the_public_address_differ_from_a_deployed_package(tmp_path: Path) -> None:
    stages.write_stage("cpo", tmp_path, stages.names("cpo"))
    config = tmp_path / ".chalice" / "config.json"
    shipped = json.loads(config.read_text(encoding="utf-8"))

    adapt(config, "cpo", "http://127.0.0.1:9182")

    adapted = json.loads(config.read_text(encoding="utf-8"))
    variables = adapted["stages"]["cpo"]["environment_variables"]
    for name in differences(""):
        assert variables.pop(name)
    assert adapted.pop("lambda_architecture") == machine_architecture()
    del shipped["lambda_architecture"]
    assert adapted == shipped


def test_no_shipped_stage_allows_loopback() -> None:
    assert "OCPI_ALLOW_LOOPBACK" not in stages.CONFIG.read_text(encoding="utf-8")


def test_a_release_differs_in_its_code_alone() -> None:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "app")
    package = Package({"Resources": {}}, {"./deployment.zip": code.getvalue(), "./layer.zip": b"layer"})

    released = package.with_marker("second")

    assert released.template == package.template
    assert released.zips["./layer.zip"] == b"layer"
    with zipfile.ZipFile(io.BytesIO(released.zips["./deployment.zip"])) as archive:
        assert archive.namelist() == ["app.py", "release.txt"]
