"""The resource for every other path is in the API's description, for both ways of deploying."""

from __future__ import annotations

import json

from infra import any_path, merge_template, stages
from infra.deploy import run_chalice
from infra.resources import read_template


def test_the_template_has_the_resource() -> None:
    config = stages.read_config()
    made = merge_template.merge_template(
        read_template(), stages.parameters("cpo", config), stages.functions(config)
    )

    paths = made["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    integration = paths["/{proxy+}"]["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"]
    assert integration["type"] == "aws_proxy"
    assert "${APIHandler.Arn}" in integration["uri"]["Fn::Sub"]


def test_a_description_of_chalice_gets_the_resource_with_its_function() -> None:
    method = {"x-amazon-apigateway-integration": {"uri": "arn:of:the:function"}}
    params = {"body": json.dumps({"paths": {"/ocpi/versions": {"get": method}}})}

    run_chalice._add_answers(params)

    assert json.loads(params["body"])["paths"] == {
        "/ocpi/versions": {"get": method},
        **any_path.path_item("arn:of:the:function"),
    }
