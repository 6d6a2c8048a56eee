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


def test_a_queue_that_had_messages_is_empty_and_takes_the_same_ones_again() -> None:
    def send(account: Account, url: str) -> None:
        account("sqs").send_message(
            QueueUrl=url, MessageBody="left", MessageGroupId="one", MessageDeduplicationId="one"
        )

    def receive(account: Account, url: str) -> list[str]:
        found = account("sqs").receive_message(QueueUrl=url).get("Messages", [])
        for message in found:
            account("sqs").delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [message["Body"] for message in found]

    with aws() as account:
        used = account.resources()["OCPI_BROADCASTS_QUEUE_URL"]
        send(account, used)
        assert receive(account, used) == ["left"]

    with aws() as account:
        again = account.resources()["OCPI_BROADCASTS_QUEUE_URL"]
        assert (again, receive(account, again)) == (used, [])
        send(account, again)
        assert receive(account, again) == ["left"]
