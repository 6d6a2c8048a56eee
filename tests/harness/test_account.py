"""Tests that reused AWS resources keep no data of an earlier test."""

from __future__ import annotations

from chalicelib.storage.table import Key, Table
from tests.harness.account import Account, aws


def put(account: Account, name: str) -> None:
    Table(account("dynamodb"), name).put({"pk": "left", "sk": "#"})


def is_there(account: Account, name: str) -> bool:
    return Table(account("dynamodb"), name).get(Key("left", "#")) is not None


def test_a_returned_table_is_given_out_again_and_is_empty() -> None:
    with aws() as account:
        first = account.resources()["OCPI_TABLE"]
        put(account, first)
        assert is_there(account, first)

    with aws() as account:
        again = account.resources()["OCPI_TABLE"]
        assert (again, is_there(account, again)) == (first, False)


def test_accounts_that_are_open_share_no_resource() -> None:
    with aws() as one, aws() as other:
        ours = [one.resources(), one.resources(), other.resources()]
        put(one, ours[0]["OCPI_TABLE"])

        assert [is_there(one, each["OCPI_TABLE"]) for each in ours] == [True, False, False]
        for name in ours[0]:
            assert len({each[name] for each in ours}) == 3


def test_closing_an_inner_account_does_not_empty_the_outer_one() -> None:
    with aws() as outer:
        kept = outer.resources()["OCPI_TABLE"]
        put(outer, kept)
        with aws() as inner:
            inner.resources()

        assert is_there(outer, kept)


def test_resources_whose_queue_had_messages_are_not_given_out_again() -> None:
    with aws() as account:
        used = account.resources()
        url = used["OCPI_COMMANDS_QUEUE_URL"]
        account("sqs").send_message(QueueUrl=url, MessageBody="left")
        received = account("sqs").receive_message(QueueUrl=url)["Messages"]
        account("sqs").delete_message(QueueUrl=url, ReceiptHandle=received[0]["ReceiptHandle"])

    with aws() as account:
        assert account.resources()["OCPI_TABLE"] != used["OCPI_TABLE"]
