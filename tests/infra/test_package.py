"""A package is a complete node: a template without errors, and zips that run on their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bench.cold_start import unpack
from infra import api_stage, event_sources, gateway_responses, package, resources, stages
from infra.merge_template import logical_id

STAGES = sorted(stages.read_config()["stages"])
FUNCTIONS = sorted(stages.functions(stages.read_config()))

# A node needs only Lambda's runtime (which has botocore) and the bundle.
_IMPORT = """
import sys
runtime, code, layer = sys.argv[1:]
sys.path[:] = [code, layer, *[p for p in sys.path if "site-packages" not in p], runtime]
import app
print(len(app.app.routes), [m for m in ("boto3", "click", "inquirer", "pip") if m in sys.modules])
print(app.__cached__, app.app.__module__)
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The packages; that of the CPO with finished zips, which are the same for all."""
    made = {stage: tmp_path_factory.mktemp(stage) for stage in STAGES}
    for stage, out in made.items():
        with pytest.MonkeyPatch.context() as patch:
            if stage != "cpo":
                patch.setattr(package.bundle, "finish", lambda *_: None)
            package.package(stage, out)
    return made


def template(packages: dict[str, Path], stage: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((packages[stage] / "sam.json").read_text())
    return read


def test_the_templates_are_lint_clean(packages: dict[str, Path]) -> None:
    """One stage's template stands for the others, which have the same structure."""
    lint = Path(sys.executable).with_name("cfn-lint")
    checked = [str(packages["cpo"] / "sam.json"), str(resources.TEMPLATE)]
    checked.append(str(resources.TEMPLATE.with_name("account.yaml")))

    done = subprocess.run([lint, *checked], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("stage", STAGES)
def test_the_templates_of_all_stages_have_the_same_structure(packages: dict[str, Path], stage: str) -> None:
    assert _structure(template(packages, stage)) == _structure(template(packages, "cpo"))


def _structure(value: Any) -> Any:
    """A template with the types of its values in place of the values."""
    if isinstance(value, dict):
        return {name: _structure(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_structure(each) for each in value]
    return type(value).__name__


def test_the_same_input_makes_the_same_package(packages: dict[str, Path], tmp_path: Path) -> None:
    package.package("cpo", tmp_path)

    for name in ("sam.json", "deployment.zip", "layer-deployment.zip"):
        assert (tmp_path / name).read_bytes() == (packages["cpo"] / name).read_bytes()


def test_the_layer_is_made_for_the_architecture_that_the_functions_run_on(packages: dict[str, Path]) -> None:
    resource = template(packages, "cpo")["Resources"]["StreamChanges"]["Properties"]
    with zipfile.ZipFile(packages["cpo"] / "layer-deployment.zip") as layer:
        compiled = [name for name in layer.namelist() if name.endswith(".so")]

    assert resource["Architectures"] == ["arm64"]
    assert compiled
    assert all("aarch64" in name for name in compiled)


def test_the_layer_has_the_table_of_countries_and_zones(packages: dict[str, Path]) -> None:
    with zipfile.ZipFile(packages["cpo"] / "layer-deployment.zip") as layer:
        names = layer.namelist()

    assert [name for name in names if name.endswith("tzdata/zoneinfo/zone.tab")]


def test_the_packaged_code_imports_with_the_packaged_layer(packages: dict[str, Path], tmp_path: Path) -> None:
    out = packages["cpo"]
    code, site = unpack(tmp_path, out / "deployment.zip", out / "layer-deployment.zip")

    done = subprocess.run(
        [sys.executable, "-c", _IMPORT, str(_runtime(tmp_path)), str(code), str(site)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "AWS_DEFAULT_REGION": "eu-west-1"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert "[]" in done.stdout
    assert str(code / "__pycache__") in done.stdout


def _runtime(folder: Path) -> Path:
    """The packages of Lambda's Python beside the standard library."""
    runtime = folder / "runtime"
    runtime.mkdir()
    for name in ("botocore", "jmespath", "dateutil", "six.py"):
        [own] = [Path(p) / name for p in sys.path if (Path(p) / name).exists()][:1]
        (runtime / name).symlink_to(own)
    return runtime


def test_functions_that_invoke_themselves_are_allowed_to(packages: dict[str, Path]) -> None:
    made = template(packages, "cpo")["Resources"]
    looping = [name for name in FUNCTIONS if "RecursiveLoop" in made[logical_id(name)]["Properties"]]

    assert looping == sorted(event_sources.LOOPING)
    assert {made[logical_id(name)]["Properties"]["RecursiveLoop"] for name in looping} == {"Allow"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_template_refers_to_no_other_stage(packages: dict[str, Path], stage: str) -> None:
    text = (packages[stage] / "sam.json").read_text()

    for other in {*STAGES, "dev"} - {stage}:
        assert f"ocpi-node-{other}" not in text


def test_the_template_has_every_described_resource(packages: dict[str, Path]) -> None:
    described, made = resources.read_template(), template(packages, "cpo")

    for name, resource in described["Resources"].items():
        assert made["Resources"][name] == resource
    for name, output in described["Outputs"].items():
        assert made["Outputs"][name] == output
    assert made["Parameters"]["Stage"]["Default"] == "cpo"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_gets_the_names_and_urls_of_the_resources(
    packages: dict[str, Path], function: str
) -> None:
    properties = template(packages, "cpo")["Resources"][logical_id(function)]["Properties"]
    variables = properties["Environment"]["Variables"]

    assert properties["FunctionName"] == stages.function_name("cpo", function)
    assert resources.node_variables(resources.read_template()).items() <= variables.items()
    assert json.loads(variables["OCPI_PARTIES"])[0]["role"] == "CPO"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_a_role_of_its_own_with_its_own_policy(
    packages: dict[str, Path], function: str
) -> None:
    made = template(packages, "cpo")["Resources"]
    role = made[logical_id(function)]["Properties"]["Role"]["Fn::GetAtt"][0]
    users = [r for r in made.values() if r.get("Properties", {}).get("Role") == {"Fn::GetAtt": [role, "Arn"]}]

    [policy] = made[role]["Properties"]["Policies"]
    text = stages.read_policy(stages.CONFIG.parent / f"policy-{function}.json", "cpo")
    assert policy["PolicyDocument"] == json.loads(text)
    assert len(users) == 1


def test_each_event_source_reads_the_real_resource_and_reports_what_failed(
    packages: dict[str, Path],
) -> None:
    made = template(packages, "cpo")["Resources"]
    sources = {
        name: next(iter(made[name]["Properties"]["Events"].values()))["Properties"]
        for name in ("StreamChanges", "PushBroadcasts", "RunCommands", "RunBackground")
    }

    assert sources["StreamChanges"]["Stream"] == {"Fn::GetAtt": ["Table", "StreamArn"]}
    # Changes from before the function existed are handled as well.
    assert sources["StreamChanges"]["StartingPosition"] == "TRIM_HORIZON"
    assert sources["PushBroadcasts"]["Queue"] == {"Fn::Sub": "${Broadcasts.Arn}"}
    assert sources["RunCommands"]["Queue"] == {"Fn::Sub": "${Commands.Arn}"}
    assert sources["RunBackground"]["Queue"] == {"Fn::Sub": "${Background.Arn}"}
    for properties in sources.values():
        assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_the_number_of_push_workers_is_that_of_the_stage(packages: dict[str, Path]) -> None:
    """A country's hub pushes 792 times a second; one worker, about 13 times."""
    workers = {
        stage: template(packages, stage)["Resources"]["PushBroadcasts"]["Properties"]["Events"][
            "PushBroadcastsSqsEventSource"
        ]["Properties"]["ScalingConfig"]["MaximumConcurrency"]
        for stage in packages
    }

    assert workers == {"cpo": 50, "hub": 300, "emsp": 50}


def test_the_api_has_its_own_answers_an_access_log_and_throttling(packages: dict[str, Path]) -> None:
    api = template(packages, "cpo")["Resources"]["RestAPI"]["Properties"]

    answers = api["DefinitionBody"]["x-amazon-apigateway-gateway-responses"]
    assert answers == gateway_responses.openapi_extension()
    assert api["AccessLogSetting"]["Format"] == api_stage.LOG_FORMAT
    assert api["MethodSettings"][0]["ThrottlingRateLimit"] == api_stage.RATE


def test_the_access_log_has_neither_tokens_nor_drivers() -> None:
    # A path or a query may carry a token's uid, a header a partner's token.
    for secret in ("$context.path", "querystring", "header", "authorizer", "apiKey", "input", "userAgent"):
        assert secret not in api_stage.LOG_FORMAT
