"""Fast parser of DynamoDB's answers, in place of botocore's.

botocore's parser follows the service's model for each value, which takes five times as long. This one returns
the JSON without conversion; the result is the same. Binary values would stay Base64, but this table has none.

botocore does not document this hook. So the stock parser does the work whenever something is not as this file
expects: another protocol, another response, a body that is not JSON, no such component. Answers are then
right and slower, and `tests/storage/test_answer_parser.py` fails and names what has changed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec

COMPONENT = "response_parser_factory"
"""Name of the botocore component that makes the parser of each answer."""

PROTOCOL = "json"
"""Protocol of DynamoDB's answers."""


def use_fast_parser(session: Any) -> None:
    """Make the clients of a botocore session parse JSON fast; without the component they stay as they are."""
    with suppress(ValueError):
        stock = session.get_component(COMPONENT)
        session.register_component(COMPONENT, ParserFactory(stock))


class ParserFactory:
    """Factory of parsers, over botocore's own factory."""

    def __init__(self, stock: Any) -> None:
        self._stock = stock

    def create_parser(self, protocol_name: str) -> Any:
        """Make the parser of an answer in a protocol."""
        parser = self._stock.create_parser(protocol_name)
        return FastParser(parser) if protocol_name == PROTOCOL else parser


class FastParser:
    """Parser of one answer, over botocore's own parser."""

    def __init__(self, stock: Any) -> None:
        self._stock = stock

    def parse(self, response: Any, shape: Any) -> Any:
        """Parse an answer; botocore parses errors, and whatever is not as expected."""
        with suppress(KeyError, TypeError, msgspec.DecodeError):
            if response["status_code"] < 300:
                return _parse_json(response)
        return self._stock.parse(response, shape)


def _parse_json(response: Any) -> dict[str, Any]:
    parsed: dict[str, Any] = msgspec.json.decode(response["body"] or b"{}")
    parsed["ResponseMetadata"] = {"HTTPStatusCode": response["status_code"]}
    return parsed
