"""The fast parser gives botocore's own results, and botocore still has the hook that it relies on."""

from __future__ import annotations

import inspect
from typing import Any

import botocore.session
import pytest
from botocore.endpoint import Endpoint

from chalicelib.storage.answer_parser import COMPONENT, PROTOCOL, FastParser, ParserFactory, use_fast_parser

CHANGED = "botocore has changed: see chalicelib/storage/answer_parser.py"
BODY = b'{"Item":{"pk":{"S":"a"},"n":{"N":"1.50"},"l":{"L":[{"BOOL":true},{"NULL":true}]}},"Extra":1}'


class Stock:
    """A stand-in for botocore's parser and its factory that counts its answers."""

    def __init__(self, parser: Any = None) -> None:
        self.parser, self.asked = parser, 0

    def create_parser(self, protocol_name: str) -> Any:
        self.parser = botocore.session.get_session().get_component(COMPONENT).create_parser(protocol_name)
        return self

    def parse(self, response: Any, shape: Any) -> Any:
        self.asked += 1
        return self.parser.parse(response, shape)


@pytest.fixture
def stock() -> Stock:
    return Stock().create_parser(PROTOCOL)  # type: ignore[no-any-return]


def shape() -> Any:
    model = botocore.session.get_session().get_service_model("dynamodb")
    return model.operation_model("GetItem").output_shape


def answer(status: int = 200, body: Any = BODY) -> dict[str, Any]:
    return {"status_code": status, "body": body, "headers": {}, "context": {}}


def without_headers(parsed: dict[str, Any]) -> dict[str, Any]:
    metadata = {"HTTPStatusCode": parsed["ResponseMetadata"]["HTTPStatusCode"]}
    return {name: value for name, value in parsed.items() if name != "Extra"} | {"ResponseMetadata": metadata}


def test_botocore_still_has_the_hook() -> None:
    session = botocore.session.get_session()
    try:
        factory = session.get_component(COMPONENT)
    except ValueError:
        pytest.fail(f"{CHANGED}: no component {COMPONENT}")

    assert list(inspect.signature(factory.create_parser).parameters) == ["protocol_name"], CHANGED
    parser = factory.create_parser(PROTOCOL)
    assert list(inspect.signature(parser.parse).parameters) == ["response", "shape"], CHANGED
    assert "response_parser_factory" in inspect.signature(Endpoint.__init__).parameters, CHANGED
    protocol = session.get_service_model("dynamodb").resolved_protocol
    assert protocol == PROTOCOL, f"{CHANGED}: DynamoDB speaks {protocol}"


def test_a_client_uses_the_fast_parser() -> None:
    session = botocore.session.get_session()
    use_fast_parser(session)
    client = session.create_client(
        "dynamodb", "eu-west-1", aws_access_key_id="test", aws_secret_access_key="test"
    )

    assert isinstance(client._endpoint._response_parser_factory, ParserFactory), CHANGED


def test_the_fast_parser_gives_the_same_result_as_botocore_s(stock: Stock) -> None:
    fast = FastParser(stock).parse(answer(), shape())

    assert stock.asked == 0, "the stock parser was used"
    assert without_headers(fast) == without_headers(stock.parse(answer(), shape()))


@pytest.mark.parametrize(
    "response",
    [answer(body=b"null"), answer(400, b'{"__type":"x#ResourceNotFoundException","message":"no"}')],
)
def test_the_stock_parser_answers_what_is_not_as_expected(stock: Stock, response: dict[str, Any]) -> None:
    parsed = FastParser(stock).parse(response, shape())

    assert stock.asked == 1
    assert parsed == stock.parse(response, shape())


def test_a_response_of_another_form_goes_to_the_stock_parser() -> None:
    class Renamed:
        def parse(self, response: Any, shape: Any) -> Any:
            return {"Item": response["content"]}

    assert FastParser(Renamed()).parse({"status": 200, "content": {}}, None) == {"Item": {}}


def test_another_protocol_keeps_the_stock_parser() -> None:
    stock = Stock()

    assert ParserFactory(stock).create_parser("rest-json") is stock


def test_a_botocore_without_the_component_keeps_its_own_parser() -> None:
    class Bare:
        def get_component(self, name: str) -> Any:
            raise ValueError(name)

    use_fast_parser(Bare())
