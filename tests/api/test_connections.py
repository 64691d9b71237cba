"""Connections: how many there are, how long clients may take, and bytes that are no HTTP. Real sockets throughout."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest

from bridge.api.connections import MOST_REQUESTS, room_for
from bridge.chat.types import Finish, Opened, Text
from bridge.settings import ServerSettings, Settings
from tests.support.fake_backend import KEY, Served, serving
from tests.support.stress import stress
from tests.support.waiting import LIMIT, settle, until

ROOT = Path(__file__).parent.parent.parent
SLOW = 60.0
"""Seconds that a process may take to start or to answer on a busy machine."""
AUTH = {"Authorization": f"Bearer {KEY}"}
JSON = "content-type: application/json"
CHAT = {"model": "deepseek", "messages": [{"role": "user", "content": "Hi"}]}


def request(line: str, *headers: str, body: str = "") -> bytes:
    lines = (line, "host: localhost", f"authorization: Bearer {KEY}", *headers)
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1")


GET = request("GET /v1/models HTTP/1.1")


async def exchange(port: int, *parts: bytes) -> tuple[int, dict[str, Any]]:
    """Send the parts one after the other and return the status and body of the response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(LIMIT):
        for part in parts:
            writer.write(part)
            await settle()  # so that each part arrives by itself
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        body = await reader.readexactly(int(length.split()[1]))
    writer.close()
    return int(head.split()[1]), json.loads(body)


@contextmanager
def connected(port: int, count: int = 1, data: bytes = b"") -> Iterator[list[socket.socket]]:
    """Open connections, and send the same on each."""
    with ExitStack() as stack:
        made = []
        for _ in range(count):
            made.append(stack.enter_context(socket.create_connection(("127.0.0.1", port), LIMIT)))
            made[-1].sendall(data)
        yield made


# A process with few descriptors


@dataclass(frozen=True)
class Endpoint:
    """The endpoint as a process of its own."""

    process: asyncio.subprocess.Process
    url: str
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def does(self, command: str) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{command}\n".encode())
        assert await asyncio.wait_for(self.process.stdout.readline(), SLOW) == b"done\n"


@asynccontextmanager
async def endpoint(folder: Path, soft: int, hard: int, **server: Any) -> AsyncGenerator[Endpoint]:
    settings = Settings(config=folder, server=ServerSettings(port=0, **server)).model_dump_json()
    log = folder / "log"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.endpoint", settings),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url = (await asyncio.wait_for(process.stdout.readline(), SLOW)).decode().strip()
        assert url, log.read_text()
        yield Endpoint(process, url, log)
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), SLOW) == 0
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def chat(url: str) -> str:
    """Ask as an honest client on a connection of its own."""
    timeout = aiohttp.ClientTimeout(total=SLOW)
    async with (
        aiohttp.ClientSession(url, headers=AUTH, timeout=timeout) as http,
        http.post("/v1/chat/completions", json=CHAT) as response,
    ):
        return str((await response.json())["choices"][0]["message"]["content"])


@pytest.mark.browser
@pytest.mark.parametrize("begun", [GET[:-2], *stress(b"", b"GET /v1/models HTTP/1.1\r\nHost: local")])
async def test_an_honest_client_is_answered_while_600_silent_connections_are_open(tmp_path: Path, begun: bytes) -> None:
    async with endpoint(tmp_path, 512, 512) as running:
        with connected(running.port, 600, begun):
            for _ in range(3):
                assert await chat(running.url) == "Hello"
            assert psutil.Process(running.process.pid).num_fds() <= room_for(512) + 50
    assert len(running.log.read_text().splitlines()) <= 5
    assert "connections" in running.log.read_text()


@pytest.mark.browser
async def test_the_limit_on_open_files_is_raised_as_far_as_allowed(tmp_path: Path) -> None:
    async with endpoint(tmp_path, 64, 2048) as running:
        assert psutil.Process(running.process.pid).rlimit(psutil.RLIMIT_NOFILE) == (2048, 2048)
        with connected(running.port, 300):
            assert await chat(running.url) == "Hello"
    assert running.log.read_text() == ""


@pytest.mark.browser
async def test_a_process_without_a_free_descriptor_writes_few_lines_and_answers_when_it_has_one(tmp_path: Path) -> None:
    async with endpoint(tmp_path, 512, 512) as running:
        await running.does("hog")
        with connected(running.port, 20):
            asking = asyncio.gather(chat(running.url))
            await until(lambda: "out of system resource" in running.log.read_text())
            assert not asking.done()
            await running.does("release")
            assert (await asking)[0] == "Hello"
    lines = [line for line in running.log.read_text().splitlines() if "out of system resource" in line]
    assert 1 <= len(lines) <= 5


@pytest.mark.browser
async def test_answers_that_nobody_reads_are_given_up(tmp_path: Path) -> None:
    body = json.dumps({**CHAT, "messages": [{"role": "user", "content": "30000000"}]})
    whole = request("POST /v1/chat/completions HTTP/1.1", JSON, f"content-length: {len(body)}", body=body)
    flood = request("GET /openapi.json HTTP/1.1") * 3000
    last = request("GET /openapi.json HTTP/1.1") * 20 + request("GET /docs HTTP/1.1", "connection: close")
    async with endpoint(tmp_path, 512, 512, unread=1) as running:
        process = psutil.Process(running.process.pid)
        assert await chat(running.url) == "Hello"
        few = process.num_fds()
        for asked in (whole, flood, last):
            with socket.socket() as connection:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.connect(("127.0.0.1", running.port))
                connection.setblocking(False)
                connection.send(asked)
                assert await chat(running.url) == "Hello"
                await until(lambda: process.num_fds() <= few)


# Who has to go


async def streaming(served: Served) -> aiohttp.ClientResponse:
    """Begin a stream with a key that goes on until the gate is opened."""
    response = await served.post(stream=True)
    assert isinstance(response, aiohttp.ClientResponse)
    await response.content.readuntil(b"\n\n")
    return response


async def test_a_request_with_a_key_never_makes_room() -> None:
    async with serving(ServerSettings(max_connections=3)) as served:
        gate = asyncio.Event()
        served.backend.scripts = [(Opened(), gate, Text("Hi"), Finish())]
        response = await streaming(served)
        with connected(served.port, 10):
            async with (
                aiohttp.ClientSession(f"http://127.0.0.1:{served.port}") as stranger,
                stranger.get("/v1/models", headers=AUTH) as listed,
            ):
                assert listed.status == 200
        gate.set()
        assert (await response.read()).endswith(b"data: [DONE]\n\n")


async def test_where_all_connections_answer_requests_with_a_key_one_more_is_told_so() -> None:
    async with serving(ServerSettings(max_connections=2)) as served:
        gate = asyncio.Event()
        served.backend.script = (Opened(), gate, Text("Hi"), Finish())
        responses = [await streaming(served) for _ in range(2)]
        async with served.http.get("/v1/models") as response:
            assert (response.status, response.headers["retry-after"]) == (503, "5")
            assert (await response.json())["error"]["code"] == "overloaded"
        gate.set()
        for response in responses:
            assert (await response.read()).endswith(b"data: [DONE]\n\n")
        async with served.http.get("/v1/models") as response:
            assert response.status == 200


async def test_a_connection_that_was_used_much_is_closed_after_a_whole_answer() -> None:
    async with serving() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        ask = b"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n"
        writer.write(ask * (MOST_REQUESTS + 5))
        answer = await asyncio.wait_for(reader.read(), SLOW)
        writer.close()
    assert answer.count(b"pong") == MOST_REQUESTS
    assert answer.lower().count(b"connection: close") == 1


# Slow clients


async def test_a_silent_connection_is_closed_without_a_word() -> None:
    async with serving(ServerSettings(header_timeout=0.2)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        assert await asyncio.wait_for(reader.read(), LIMIT) == b""
        writer.close()


@pytest.mark.slow
async def test_headers_that_never_become_whole_are_given_up() -> None:
    async with serving(ServerSettings(header_timeout=0.2)) as served:
        for begun in (b"G", GET[:-2]):
            status, body = await exchange(served.port, begun)
            assert (status, body["error"]["code"]) == (408, "request_timeout")


async def test_headers_that_trickle_in_are_given_up_all_the_same() -> None:
    async with serving(ServerSettings(header_timeout=0.2)) as served:
        with connected(served.port, data=b"GET / HTTP/1.1\r\nx: ") as (connection,), suppress(ConnectionError):
            async with asyncio.timeout(LIMIT):
                while True:
                    connection.sendall(b"a")
                    await asyncio.sleep(0.02)


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
async def test_a_body_that_does_not_come_is_given_up(kind: str) -> None:
    path = "/v1/files" if kind.startswith("multipart") else "/v1/chat/completions"
    async with serving(ServerSettings(body_timeout=0.2)) as served:
        asked = request(f"POST {path} HTTP/1.1", f"content-type: {kind}", "content-length: 1000", body="--x\r\n")
        status, body = await exchange(served.port, asked)
    assert (status, body["error"]["code"]) == (408, "request_timeout")


@pytest.mark.slow
async def test_a_large_body_gets_more_time() -> None:
    async with serving(ServerSettings(body_timeout=0.2)) as served:
        body = json.dumps({**CHAT, "user": "x" * 2_000_000})
        asked = request("POST /v1/chat/completions HTTP/1.1", JSON, f"content-length: {len(body)}")
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(asked)
        await settle()
        writer.write(body[:-1].encode())
        await asyncio.sleep(0.6)  # the client takes three times what a small one gets
        writer.write(body[-1:].encode())
        assert (await asyncio.wait_for(reader.readline(), LIMIT)).split()[1] == b"200"
        writer.close()


async def test_an_unused_connection_is_closed_after_a_while() -> None:
    async with serving(ServerSettings(idle_timeout=0.2)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(GET)
        answer = await asyncio.wait_for(reader.read(), LIMIT)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.slow
async def test_a_stream_longer_than_every_limit_is_not_cut() -> None:
    times = {"header_timeout": 0.1, "body_timeout": 0.1, "idle_timeout": 0.1, "unread": 0.1}
    limits = ServerSettings(**times, headers_after=60, keep_alive=0.05)
    async with serving(limits) as served:
        gate = asyncio.Event()
        served.backend.script = (Opened(), gate, Text("Hi"), Finish())
        response = await streaming(served)
        for _ in range(10):
            assert await response.content.readuntil(b"\n\n") == b": keep-alive\n\n"
        gate.set()
        assert (await response.read()).endswith(b"data: [DONE]\n\n")


async def test_a_client_that_leaves_while_it_sends_a_body_is_forgotten() -> None:
    async with serving() as served:
        asked = request("POST /v1/chat/completions HTTP/1.1", JSON, "content-length: 1000", body="{")
        with connected(served.port, 3, asked):
            pass
        async with served.http.get("/v1/models") as response:
            assert response.status == 200
        assert served.backend.requests == []


# Bytes that are no HTTP

BODY = json.dumps(CHAT)
POST = "POST /v1/chat/completions HTTP/1.1"
LENGTH = f"content-length: {len(BODY)}"


@pytest.mark.parametrize(
    ("status", "code", "parts"),
    [
        (400, "broken_body", (request(POST, JSON, "content-encoding: gzip", LENGTH, body=BODY),)),
        (400, "broken_body", (request(POST, JSON, "content-encoding: deflate", LENGTH), BODY.encode())),
        (415, "http_error", (request(POST, JSON, "content-encoding: br", LENGTH, body=BODY),)),
        (415, "http_error", (request(POST, JSON, "content-encoding: compress", LENGTH, body=BODY),)),
        (400, "malformed_request", (request(POST, JSON, "transfer-encoding: chunked", body="zz\r\n"),)),
        (400, "broken_body", (request(POST, JSON, "transfer-encoding: chunked"), b"5\r\nabc", b"defzz\r\n")),
        (400, "malformed_request", (request(POST, JSON, "content-length: -1"),)),
        (400, "malformed_request", (request(POST, JSON, "content-length: 1", "transfer-encoding: chunked"),)),
        (417, "http_error", (request(POST, JSON, "expect: more", LENGTH, body=BODY),)),
        (431, "headers_too_large", (request("GET /v1/models HTTP/1.1", f"x: {'a' * 9000}"),)),
        (431, "headers_too_large", (request(f"GET /v1/models?{'a' * 9000} HTTP/1.1"),)),
        (400, "malformed_request", (request("GET /v1/models HTTP/1.1", *["x: 1"] * 300),)),
        (400, "malformed_request", (request("GET /v1/models HTTP/1.1", "x: a\0b"),)),
        (400, "malformed_request", (request("GET /v1/models HTTP/3.7"),)),
        (400, "malformed_request", (b"GET /v1/models HTTP/1.1\r\n\r\n",)),
        (400, "malformed_request", (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",)),
        (400, "malformed_request", (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",)),
        (405, "method_not_allowed", (request("FOO /v1/models HTTP/1.1"),)),
        (404, "not_found", (request("FOO /v1/nothing HTTP/1.1"),)),
        (400, "malformed_request", (GET + b"FOO\r\n\r\n",)),
    ],
)
async def test_what_cannot_be_read_is_refused_in_openai_s_shape(
    served: Served, status: int, code: str, parts: tuple[bytes, ...]
) -> None:
    found, body = await exchange(served.port, *parts)
    assert served.backend.requests == []
    assert (found, body["error"]["code"]) == (status, code)
    assert body["error"].keys() == {"message", "type", "param", "code"}
    assert KEY not in body["error"]["message"]
    assert "aaaa" not in body["error"]["message"]


async def test_a_method_that_nobody_knows_is_told_with_the_right_ones(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(request("BREW /v1/files/x?y=1 HTTP/1.1"))
    answer = await asyncio.wait_for(reader.read(), LIMIT)
    writer.close()
    assert b"allow: delete, get, head\r\n" in answer.lower()
    assert b"/v1/files/x allows DELETE, GET, HEAD, but not BREW." in answer
