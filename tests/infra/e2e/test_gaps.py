"""What is made up for in ministack, as far as it can be asked without one."""

from infra.e2e.gaps import failed_items_of_stream

STREAM = {"Records": [{"eventSource": "aws:dynamodb"}]}
QUEUE = {"Records": [{"eventSource": "aws:sqs"}]}
FAILED = {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_failed_items_of_a_stream_are_found() -> None:
    assert failed_items_of_stream(STREAM, FAILED) == [{"itemIdentifier": "1"}]


def test_a_queue_deals_with_its_failed_items_itself() -> None:
    assert failed_items_of_stream(QUEUE, FAILED) == []


def test_what_is_no_event_of_a_stream_and_no_such_answer_has_none() -> None:
    assert failed_items_of_stream({"Records": []}, FAILED) == []
    assert failed_items_of_stream([], None) == []
    assert failed_items_of_stream(STREAM, {"batchItemFailures": []}) == []
