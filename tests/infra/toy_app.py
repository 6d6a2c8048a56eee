"""A small Chalice app with one handler of each kind, to try the local runner on."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import botocore.session
from chalice.app import Chalice, Response

app = Chalice(app_name="toy")


@app.route("/echo/{name}", methods=["GET", "POST", "PUT"], content_types=["*/*"])
def echo(name: str) -> Response:
    request = app.current_request
    seen = {
        "name": name,
        "method": request.method,
        "path": request.context["path"],
        "resource": request.path,
        "query": {key: request.query_params.getlist(key) for key in request.query_params or {}},
        "headers": dict(request.headers),
        "length": len(request.raw_body or b""),
        "context": app.lambda_context.aws_request_id,
    }
    return Response(json.dumps(seen), headers={"X-Toy": "yes"})


@app.route("/echo/fixed")
def fixed() -> dict[str, str]:
    return {"name": "the fixed one"}


@app.route("/slow/{name}")
def slow(name: str) -> dict[str, Any]:
    before = (app.current_request.uri_params["name"], app.lambda_context.aws_request_id)
    time.sleep(0.005)
    after = (app.current_request.uri_params["name"], app.lambda_context.aws_request_id)
    return {"name": name, "same": before == after and before[0] == name}


@app.route("/environment/{name}")
def environment(name: str) -> str:
    return json.dumps(os.environ.get(name))


@app.route("/items/{name}", methods=["PUT"], content_types=["*/*"])
def put_item(name: str) -> dict[str, str]:
    _table().put_item(
        TableName=os.environ["OCPI_TABLE"],
        Item={"pk": {"S": "item"}, "sk": {"S": name}, "raw": {"B": b"\x00\x01"}},
    )
    return {"name": name}


@app.route("/pushed", methods=["GET"])
def pushed() -> list[str]:
    found = _table().query(
        TableName=os.environ["OCPI_TABLE"],
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": "pushed"}},
        ConsistentRead=True,
    )
    return [item["sk"]["S"] for item in found["Items"]]


@app.on_dynamodb_record(stream_arn="arn:aws:dynamodb:any", batch_size=10)
def on_change(event: Any) -> None:
    for record in event:
        if record.keys["pk"]["S"] == "item" and record.event_name != "REMOVE":
            _sqs().send_message(
                QueueUrl=os.environ["OCPI_BROADCASTS_QUEUE_URL"],
                MessageBody=record.keys["sk"]["S"],
                MessageGroupId=record.keys["sk"]["S"],
                MessageDeduplicationId=record.sequence_number,
            )


@app.on_sqs_message(queue=os.environ.get("OCPI_BROADCASTS_QUEUE", "toy.fifo"), batch_size=10)
def on_message(event: Any) -> None:
    for record in event:
        _table().put_item(
            TableName=os.environ["OCPI_TABLE"], Item={"pk": {"S": "pushed"}, "sk": {"S": record.body}}
        )


def _table() -> Any:
    return botocore.session.get_session().create_client("dynamodb")


def _sqs() -> Any:
    return botocore.session.get_session().create_client("sqs")
