"""Files by address: only from hosts that may be reached, however their address is written, and only up to a size."""

from __future__ import annotations

import asyncio
import gzip
import ipaddress
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web

from bridge.api.attachments.content_parts import Remote
from bridge.api.attachments.fetch import fetch
from bridge.api.attachments.gather import Gatherer
from bridge.api.attachments.stored_files import StoredFiles
from bridge.chat.types import Attachment, ChatRequest, Message, Model, Role
from bridge.errors import FileTooLarge, RequestError
from bridge.origins import Address, is_public
from bridge.settings import FileSettings
from bridge.storage.file_store import FileStore

HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"
MOST = 1000
DATA = b"x" * MOST


@dataclass
class Host:
    """A server on all addresses of this machine."""

    port: int = 0
    asked: list[str] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer as the path says."""
        self.asked.append(f"{request.url.host}{request.path}")
        match request.path:
            case "/redirect":
                raise web.HTTPFound(request.query["to"])
            case "/slow":
                await asyncio.sleep(60)
            case "/large":
                return web.Response(body=DATA + b"x", content_type="image/png")
            case "/squeezed":
                squeezed = {"content-encoding": "gzip", "content-type": "image/png"}
                return web.Response(body=gzip.compress(DATA * 100), headers=squeezed)
            case "/loop":
                raise web.HTTPFound("/loop")
            case "/missing":
                raise web.HTTPNotFound
        return web.Response(body=DATA, content_type="image/png")


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    server = Host()
    app = web.Application()
    app.router.add_get("/{path:.*}", server.serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", 0).start()
    server.port = runner.addresses[0][1]
    yield server
    await runner.cleanup()


def only_here(address: Address) -> bool:
    return str(address) == HERE


PUBLIC = ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34")
PRIVATE = (
    *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("224.0.0.1", "239.1.1.1", "255.255.255.255", "::", "::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1"),
    *("::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "2002:a00:1::1", "64:ff9b::a00:1"),
    *("192.0.0.8", "192.0.0.170", "64:ff9b:1::7f00:1", "::ffff:0:127.0.0.1", "fec0::1", "5f00::1", "2001:0:7f00:1::"),
)


@pytest.mark.parametrize("address", [*PUBLIC, *PRIVATE])
def test_only_addresses_of_the_public_internet_are_reached(address: str) -> None:
    assert is_public(ipaddress.ip_address(address)) is (address in PUBLIC)


async def test_a_file_is_fetched_with_its_type(host: Host) -> None:
    url = f"http://{HERE}:{host.port}/a"
    assert await fetch(url, MOST, "p", only_here) == (DATA, "image/png")
    assert await fetch(f"http://localhost:{host.port}/a", MOST, "p", only_here) == (DATA, "image/png")
    assert await fetch(f"{url.removesuffix('a')}redirect?to=/a", MOST, "p", only_here) == (DATA, "image/png")


@pytest.mark.parametrize(
    "name", [HERE, "localhost", "127.1", "2130706433", "0x7f000001", "0", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
async def test_no_way_to_write_a_private_address_gets_there(host: Host, name: str) -> None:
    with pytest.raises(RequestError) as caught:
        await fetch(f"http://{name}:{host.port}/a", MOST, "p")
    assert (caught.value.status, caught.value.param) == (400, "p")
    assert host.asked == []


async def test_a_redirect_is_no_way_around(host: Host) -> None:
    with pytest.raises(RequestError, match="not on the public internet"):
        await fetch(f"http://{HERE}:{host.port}/redirect?to=http://{ELSEWHERE}:{host.port}/a", MOST, "p", only_here)
    assert host.asked == [f"{HERE}/redirect"]


@pytest.mark.parametrize("target", ["/loop", "file:///etc/passwd", "ftp://127.0.0.1/", "http://"])
async def test_a_redirect_that_leads_nowhere_is_refused(host: Host, target: str) -> None:
    with pytest.raises(RequestError, match="could not be fetched"):
        await fetch(f"http://{HERE}:{host.port}/redirect?to={target}", MOST, "p", only_here)


async def test_a_file_may_not_be_larger_than_allowed_nor_grow_when_unpacked(host: Host) -> None:
    for path in ("large", "squeezed"):
        with pytest.raises(FileTooLarge) as caught:
            await fetch(f"http://{HERE}:{host.port}/{path}", MOST, "p", only_here)
        assert (caught.value.status, caught.value.param) == (413, "p")


async def test_what_is_not_there_is_said(host: Host) -> None:
    with pytest.raises(RequestError, match="HTTP 404"):
        await fetch(f"http://{HERE}:{host.port}/missing", MOST, "p", only_here)
    with socket.socket() as closed:
        closed.bind((HERE, 0))
        with pytest.raises(RequestError, match="could not be fetched"):
            await fetch(f"http://{HERE}:{closed.getsockname()[1]}/", MOST, "p", only_here)


def gatherer(folder: Path, **settings: object) -> Gatherer:
    files = FileSettings.model_validate(settings)
    return Gatherer(StoredFiles(FileStore(folder / "files", files)), files, only_here)


def chat(*attachments: Attachment) -> ChatRequest:
    return ChatRequest("r", Model("m"), (Message("user", "A", attachments),))


async def test_what_a_chat_names_is_got_and_named_after_its_address(host: Host, tmp_path: Path) -> None:
    remote = Remote("cat.png", "", b"", "p", url=f"http://{HERE}:{host.port}/cat.png")
    whole = await gatherer(tmp_path, urls=True).complete(chat(remote))
    assert whole.messages[0].attachments == (Attachment("cat.png", "image/png", DATA),)


async def test_no_address_is_fetched_unless_the_settings_say_so(host: Host, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"files\.urls") as caught:
        await gatherer(tmp_path).complete(chat(Remote("", "", b"", "p", url=f"http://{HERE}:{host.port}/a")))
    assert caught.value.param == "p"
    assert host.asked == []


async def test_a_host_that_takes_too_long_is_given_up(host: Host, tmp_path: Path) -> None:
    slow = Remote("", "", b"", "p", url=f"http://{HERE}:{host.port}/slow")
    with pytest.raises(RequestError, match=r"files\.url_limit"):
        await gatherer(tmp_path, urls=True, url_limit=0.3).complete(chat(slow))


async def test_an_address_that_is_named_many_times_is_fetched_once(host: Host, tmp_path: Path) -> None:
    remote = Remote("cat.png", "", b"", "p", url=f"http://{HERE}:{host.port}/cat.png")
    whole = await gatherer(tmp_path, urls=True).complete(chat(*[remote] * 150))
    assert len(whole.messages[0].attachments) == 150
    assert host.asked == [f"{HERE}/cat.png"]


@pytest.mark.slow
@pytest.mark.parametrize("role", ["user", "tool"])
async def test_what_older_messages_name_may_be_gone(host: Host, tmp_path: Path, role: Role) -> None:
    here = f"http://{HERE}:{host.port}"
    gone = [Remote("", "", b"", "p", file_id="file-gone"), Remote("", "", b"", "p", url=f"{here}/missing")]
    slow, fine = (Remote("a.png", "", b"", "p", url=f"{here}/{path}") for path in ("slow", "a"))
    history = (Message(role, "Look", (*gone, slow, *gone)), Message("assistant", "I see."))
    asked = replace(chat(fine), messages=(*history, Message("user", "And this?", (fine,))))
    whole = await gatherer(tmp_path, urls=True, url_limit=1).complete(asked)
    assert [message.text for message in whole.messages] == ["Look" + 5 * "\n[file left out]", "I see.", "And this?"]
    assert [[file.data for file in message.attachments] for message in whole.messages] == [[], [], [DATA]]
    assert host.asked == [f"{HERE}{path}" for path in ("/a", "/missing", "/slow")]


async def test_no_step_of_an_agent_ends_by_a_picture_that_its_tool_names_in_vain(host: Host, tmp_path: Path) -> None:
    result = Message("tool", "", (Remote("", "", b"", "p", url=f"http://{HERE}:{host.port}/missing"),))
    asked = replace(chat(), messages=(Message("user", "Look"), Message("assistant", "x"), result))
    whole = await gatherer(tmp_path, urls=True).complete(asked)
    assert whole.messages[-1] == Message("tool", "[file left out]")


@pytest.mark.parametrize(("limit", "most"), [("max_prompt_files", 2), ("max_prompt_bytes", 2 * MOST + 1)])
async def test_the_addresses_of_one_request_have_limits_together(
    host: Host, tmp_path: Path, limit: str, most: int
) -> None:
    remotes = [Remote("", "", b"", f"p{n}", url=f"http://{HERE}:{host.port}/{n}") for n in range(9)]
    with pytest.raises(RequestError, match=rf"files\.{limit}") as caught:
        await gatherer(tmp_path, urls=True, max_bytes=MOST, **{limit: most}).complete(chat(*remotes))
    assert caught.value.param == "p2"
    assert len(host.asked) <= 3


async def test_a_file_in_the_body_has_the_same_limit(tmp_path: Path) -> None:
    with pytest.raises(FileTooLarge, match=r"files\.max_bytes") as caught:
        await gatherer(tmp_path, max_bytes=10).complete(chat(Attachment("a", "text/plain", b"x" * 11, "p")))
    assert caught.value.param == "p"
