"""The fast client signs as botocore does, handles what is final, and leaves everything else to botocore."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, ConnectionClosedError

from chalicelib.queues import Broadcast, Queues, read_broadcast, sqs_client
from chalicelib.storage import fast_client
from chalicelib.storage.fast_client import DYNAMODB, SQS, Endpoint, FastClient, Service
from chalicelib.storage.table import Conflict, Key, Put, Table, dynamodb_client
from infra.local.emulator import Emulator
from tests.emulator import make_dynamodb_client, make_table

REGION = "eu-west-1"
URL = "https://dynamodb.eu-west-1.amazonaws.com/"
KEYS = {"aws_access_key_id": "AKEXAMPLE", "aws_secret_access_key": "secret/+", "region_name": REGION}
CHANGED = "botocore has changed: see chalicelib/storage/fast_client.py"


class Response:
    """An answer of the HTTP session."""

    def __init__(self, status: int, body: bytes = b"{}", crc: str | None = None) -> None:
        self.status_code, self.content, self.raw = status, body, None
        self.headers = {} if crc is None else {"x-amz-crc32": crc}


class StandIn:
    """A stand-in for a service, as botocore's HTTP session. answers: by request, the last for all others."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[Any] = []

    def send(self, request: Any) -> Any:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def by_botocore(self) -> list[bool]:
        """For each request, whether botocore made it."""
        return ["amz-sdk-invocation-id" in request.headers for request in self.requests]


def refusal(code: str) -> Response:
    body = f'{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"no"}}'
    return Response(400, body.encode())


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[FastClient, StandIn]]:
    def make_client(*answers: Response | Exception) -> tuple[FastClient, StandIn]:
        retries = Config(retries={"mode": "standard", "total_max_attempts": 1})
        client = botocore.session.get_session().create_client("dynamodb", config=retries, **KEYS)
        service = StandIn(Response(200))
        monkeypatch.setattr(client._endpoint, "http_session", service)
        fast = FastClient(client, DYNAMODB)
        fast.get_item(TableName="t", Key={"pk": {"S": "learn"}})
        assert service.by_botocore == [True], "the first call is botocore's"
        service.requests.clear()
        service.answers = list(answers)
        return fast, service

    return make_client


Make = Callable[..., tuple[FastClient, StandIn]]


@pytest.mark.parametrize("service", [DYNAMODB, SQS], ids=lambda service: service.name)
def test_botocore_still_has_what_the_client_uses(service: Service) -> None:
    client = botocore.session.get_session().create_client(service.name, **KEYS)

    assert callable(client._endpoint.http_session.send), CHANGED
    frozen = client._request_signer._credentials.get_frozen_credentials()
    assert (frozen.access_key, frozen.secret_key, frozen.token) == ("AKEXAMPLE", "secret/+", None), CHANGED
    models = client.meta.service_model
    assert {models.operation_model(name).http["requestUri"] for name in service.calls.values()} == {"/"}, (
        CHANGED
    )
    assert {client.meta.method_to_api_mapping[name] for name in service.calls} == {*service.calls.values()}
    described = models.metadata
    assert (described["targetPrefix"], described["jsonVersion"]) == (service.target, "1.0"), CHANGED


@pytest.mark.parametrize("token", [None, "session-token"])
@pytest.mark.parametrize("service", [DYNAMODB, SQS], ids=lambda service: service.name)
def test_a_signature_is_the_one_of_botocore_s_own_signer(
    service: Service, token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = time.struct_time((2026, 3, 1, 23, 59, 58, 6, 60, 0))
    monkeypatch.setattr(fast_client.time, "gmtime", lambda: moment)
    credentials = Credentials("AKEXAMPLE", "secret/+", token)
    host = f"{service.name}.{REGION}.amazonaws.com"
    endpoint = Endpoint(f"https://{host}/", host, REGION, service.name)
    body = '{"TableName":"t","Key":{"pk":{"S":"é"}}}'.encode()
    headers = fast_client._Key().sign(endpoint, credentials, f"{service.target}.Operation", body)

    signed = {name: headers[name] for name in headers if name.startswith(("x-", "content"))}
    theirs = AWSRequest("POST", endpoint.url, signed, body)
    theirs.context["timestamp"] = headers["x-amz-date"]
    signer = SigV4Auth(credentials, service.name, REGION)
    canonical = signer.canonical_request(theirs)
    signature = signer.signature(signer.string_to_sign(theirs, canonical), theirs)

    names = signer.signed_headers(signer.headers_to_sign(theirs))
    assert headers["authorization"].endswith(f" SignedHeaders={names}, Signature={signature}")
    assert headers.get("x-amz-security-token") == token


def test_the_key_is_made_again_on_another_day_and_for_other_credentials() -> None:
    key = fast_client._Key()
    keys = [key._key_for(*parts) for parts in (("a", "20260301"), ("a", "20260302"), ("b", "20260302"))]

    assert len(set(keys)) == 3
    assert key._key_for("a", "20260301") == keys[0]


def test_the_first_call_is_botocore_s_and_the_others_are_not(make: Make) -> None:
    client, service = make(Response(200, b'{"Item":{"pk":{"S":"a"}}}'))

    assert client.get_item(TableName="t", Key={"pk": {"S": "a"}})["Item"] == {"pk": {"S": "a"}}
    assert service.by_botocore == [False]
    (request,) = service.requests
    assert (request.method, request.url) == ("POST", URL)
    assert request.headers["x-amz-target"] == "DynamoDB_20120810.GetItem"
    assert request.body == b'{"TableName":"t","Key":{"pk":{"S":"a"}}}'


@pytest.mark.parametrize("code", sorted(DYNAMODB.final))
def test_a_final_refusal_is_botocore_s_error_and_is_not_repeated(make: Make, code: str) -> None:
    client, service = make(refusal(code))

    with pytest.raises(ClientError) as raised:
        client.put_item(TableName="t", Item={})

    assert raised.value.response["Error"] == {"Code": code, "Message": "no"}
    assert service.by_botocore == [False]


def test_the_reasons_of_a_cancelled_transaction_reach_the_table(make: Make) -> None:
    reasons = b'"CancellationReasons":[{"Code":"None"},{"Code":"ConditionalCheckFailed"}]'
    client, _ = make(
        Response(400, b'{"__type":"x#TransactionCanceledException","Message":"no",' + reasons + b"}")
    )
    puts = [Put({"pk": name, "sk": "#"}, "attribute_not_exists(#pk)") for name in "ab"]

    with pytest.raises(Conflict):
        Table(client, "t").transact(puts)


@pytest.mark.parametrize(
    "failure",
    [
        Response(500),
        Response(503, b"<html>"),
        Response(200, b"{"),
        Response(200, b"{}", crc="1"),
        refusal("ProvisionedThroughputExceededException"),
        refusal("TransactionInProgressException"),
        refusal("ExpiredTokenException"),
        ConnectionClosedError(endpoint_url=URL),
    ],
    ids=lambda each: (
        type(each).__name__ if isinstance(each, Exception) else each.content.decode()[-40:] or "empty"
    ),
)
def test_botocore_repeats_everything_else(make: Make, failure: Response | Exception) -> None:
    client, service = make(failure, Response(200, b'{"Item":{"pk":{"S":"a"}}}'))

    assert client.get_item(TableName="t", Key={"pk": {"S": "a"}})["Item"] == {"pk": {"S": "a"}}
    assert service.by_botocore == [False, True]


def test_a_transaction_that_is_repeated_keeps_its_token(make: Make) -> None:
    client, service = make(ConnectionClosedError(endpoint_url=URL), Response(200))
    client.transact_write_items(TransactItems=[{"Put": {"TableName": "t", "Item": {}}}])

    bodies = [fast_client.msgspec.json.decode(request.body) for request in service.requests]
    assert bodies[0]["ClientRequestToken"] == bodies[1]["ClientRequestToken"]


def test_an_answer_with_the_right_checksum_is_taken(make: Make) -> None:
    client, service = make(Response(200, b"{}", crc="2745614147"))

    assert client.get_item(TableName="t", Key={}) == {}
    assert service.by_botocore == [False]


def test_a_signature_of_another_kind_leaves_all_calls_to_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_client, "_SCOPE", fast_client.re.compile("AWS5"))
    client = botocore.session.get_session().create_client("dynamodb", **KEYS)
    service = StandIn(Response(200))
    monkeypatch.setattr(client._endpoint, "http_session", service)
    fast = FastClient(client, DYNAMODB)

    for _ in range(3):
        fast.get_item(TableName="t", Key={"pk": {"S": "a"}})

    assert service.by_botocore == [True] * 3


def test_it_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    assert isinstance(dynamodb_client(**KEYS), FastClient)
    assert not isinstance(dynamodb_client(fast=False, **KEYS), FastClient)
    assert isinstance(sqs_client()._make(), FastClient)
    assert not isinstance(sqs_client(fast=False)._make(), FastClient)


QUEUE = "https://sqs.eu-west-1.amazonaws.com/1/a.fifo"


def test_messages_are_sent_and_postponed_without_botocore_after_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = botocore.session.get_session().create_client("sqs", **KEYS)
    service = StandIn(Response(200), Response(500), Response(200, b'{"Failed":[{"Id":"0"}]}'), Response(200))
    monkeypatch.setattr(client._endpoint, "http_session", service)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    fast = FastClient(client, SQS)
    entries = [{"Id": "0", "MessageBody": "a"}]

    assert not fast.send_message_batch(QueueUrl=QUEUE, Entries=entries).get("Failed")
    assert fast.send_message_batch(QueueUrl=QUEUE, Entries=entries)["Failed"] == [{"Id": "0"}]
    fast.change_message_visibility_batch(QueueUrl=QUEUE, Entries=[{"Id": "0", "ReceiptHandle": "r"}])

    assert service.by_botocore == [True, False, True, False]
    targets = [request.headers["x-amz-target"] for request in service.requests]
    assert [name if isinstance(name, str) else name.decode() for name in targets] == [
        *["AmazonSQS.SendMessageBatch"] * 3,
        "AmazonSQS.ChangeMessageVisibilityBatch",
    ]
    assert service.requests[1].url == "https://sqs.eu-west-1.amazonaws.com/"


@pytest.mark.parametrize("fast", [True, False])
def test_both_clients_send_to_a_queue_and_postpone(emulator: Emulator, fast: bool) -> None:
    sqs = emulator.client("sqs")
    url = sqs.create_queue(
        QueueName=f"client-{fast}.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "0"}
    )["QueueUrl"]
    client = FastClient(sqs, SQS) if fast else sqs
    queues = Queues(client, url)
    sent = [
        Broadcast(partner_id="p", module="m", pk=pk, sk="#", ref="é", cause="1") for pk in ("a", "b", "c")
    ]

    for each in sent:
        queues.send_broadcasts([each])
    got = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    queues.postpone({message["ReceiptHandle"]: 600 for message in got[:1]})
    queues.postpone({message["ReceiptHandle"]: 600 for message in got[1:2]})

    assert [read_broadcast(message["Body"]) for message in got] == sent
    left = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [read_broadcast(message["Body"]) for message in left] == sent[2:]
    assert not fast or client._endpoint.service == "sqs"


def test_both_clients_read_what_the_other_wrote(emulator: Emulator) -> None:
    client = make_dynamodb_client(emulator, fast=True)
    table = make_table(client)
    plain = Table(client._client, table.name)
    item = {
        "pk": "a",
        "sk": "#",
        "body": '{"name":"Olhão \\u0000"}',
        "v": 12345678901234567,
        "uids": ["1", "2"],
    }
    table.put(item)
    table.put({**item, "pk": "b"})
    plain.put({**item, "pk": "c"})

    for each in (table, plain):
        assert each.get_many([Key("a"), Key("b"), Key("c")]) == {Key(pk): {**item, "pk": pk} for pk in "abc"}
