"""The resource of the API that takes every path that no other takes, for the two ways of deploying.

Chalice cannot declare it: its views get one argument for each variable of a path, and `proxy+` is no name.
`chalicelib/application.py` says what it is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.application import ANY_PATH

_URI = (
    "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31"
    "/functions/${APIHandler.Arn}/invocations"
)


def path_item(uri: object = None) -> dict[str, Any]:
    """Describe the resource as part of `paths`. uri: of the integration; that of the template by default."""
    return {
        ANY_PATH: {
            "x-amazon-apigateway-any-method": {
                "consumes": ["*/*"],
                "produces": ["application/json"],
                "parameters": [{"name": "proxy", "in": "path", "required": True, "type": "string"}],
                "responses": {"200": {"description": "200 response"}},
                "x-amazon-apigateway-integration": {
                    "responses": {"default": {"statusCode": "200"}},
                    "uri": uri or {"Fn::Sub": _URI},
                    "passthroughBehavior": "when_no_match",
                    "httpMethod": "POST",
                    "contentHandling": "CONVERT_TO_TEXT",
                    "type": "aws_proxy",
                },
            }
        }
    }


def uri_in(described: Mapping[str, Any]) -> object:
    """The URI of the function in a description that Chalice made; None where it has no path."""
    methods = (method for item in described.get("paths", {}).values() for method in item.values())
    integrations = (method.get("x-amazon-apigateway-integration", {}) for method in methods)
    return next((each["uri"] for each in integrations if "uri" in each), None)
