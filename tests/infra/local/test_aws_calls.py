"""A local node's calls to the embedded AWS: unsigned, over connections that are kept."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import botocore.session
import pytest
from botocore import handlers
from botocore.awsrequest import AWSPreparedRequest, HeadersDict
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from infra.local import aws_calls
from infra.local.aws_calls import Connections

CLOSE = b""
ANSWER = b"HTTP/1.1 400 Bad Request\r\nx-Amzn-RequestId: 7\r\nContent-Length: 4\r\n\r\noops"


class Server:
    """Answers each request on each connection with the next prepared bytes; CLOSE ends the connection."""

    def __init__(self, listener: socket.socket, answers: Sequence[bytes]) -> None:
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        self.connections = 0
        self._listener = listener
        self._answers = list(answers)

    def run(self) -> None:
        while self._answers:
            connection, _ = self._listener.accept()
            self.connections += 1
            with connection:
                while self._answers and (request := connection.recv(65536)):
                    self.requests.append(request)
                    connection.sendall(self._answers.pop(0))
                    if self._answers[:1] == [CLOSE]:
                        self._answers.pop(0)
                        break


@contextmanager
def serve(*answers: bytes) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(listener, answers)
        thread = threading.Thread(target=server.run)
        thread.start()
        yield server
        thread.join()


def request(url: str, body: bytes | str | None = b"{}") -> AWSPreparedRequest:
    return AWSPreparedRequest("POST", f"{url}/queue?a=b", HeadersDict({"X-Amz-Target": b"T.Op"}), body, False)


def test_a_call_is_sent_and_its_answer_read_whatever_the_status() -> None:
    with serve(ANSWER) as server:
        answer = Connections().send(request(server.url))

    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.decode().split("\r\n") == [
        "POST /queue?a=b HTTP/1.1",
        f"Host: {server.url.removeprefix('http://')}",
        "Content-Length: 2",
        "X-Amz-Target: T.Op",
    ]
    assert body == b"{}"
    assert (answer.status_code, answer.content) == (400, b"oops")
    assert answer.headers["x-amzn-requestid"] == "7"


def test_a_client_of_botocore_calls_unsigned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "BUILTIN_HANDLERS", list(handlers.BUILTIN_HANDLERS))
    aws_calls.make_calls_cheap()
    with serve(b'HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{"CiphertextBlob":""}') as server:
        client = botocore.session.Session().create_client(
            "kms",
            region_name="eu-west-1",
            endpoint_url=server.url,
            aws_access_key_id="id",
            aws_secret_access_key="secret",
        )
        assert client.encrypt(KeyId="mine", Plaintext=b"a")["CiphertextBlob"] == b""

    assert b'"KeyId": "mine"' in server.requests[0]
    assert b"authorization" not in server.requests[0].lower()


def test_a_connection_is_used_again() -> None:
    with serve(ANSWER, ANSWER) as server:
        connections = Connections()
        connections.send(request(server.url))
        connections.send(request(server.url, "{}"))

    assert (server.connections, len(server.requests)) == (1, 2)


def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again() -> None:
    with serve(ANSWER, CLOSE, ANSWER) as server:
        connections = Connections()
        connections.send(request(server.url))
        [[idle]] = connections._idle.values()
        assert aws_calls.wait_for_read(idle, timeout=10)
        connections.send(request(server.url))

    assert server.connections == 2


def test_an_answer_in_parts_is_read_whole() -> None:
    body = b"x" * 300_000
    with serve(b"HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n" + body) as server:
        assert Connections().send(request(server.url)).content == body


@pytest.mark.parametrize("part", [ANSWER[:-1], ANSWER[:20]], ids=["body", "head"])
def test_an_answer_that_ends_early_is_a_closed_connection(part: bytes) -> None:
    with serve(part, CLOSE) as server, pytest.raises(ConnectionClosedError):
        Connections().send(request(server.url))


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    with pytest.raises(EndpointConnectionError, match=url):
        Connections().send(request(url))


def test_a_server_that_does_not_answer_in_time_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_calls, "ANSWER_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ReadTimeoutError):
        Connections().send(request(f"http://127.0.0.1:{silent.getsockname()[1]}"))
