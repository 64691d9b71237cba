"""Who may call: keys, their file, and the guard against web pages."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from loguru import logger

from bridge.api.access.credentials import Credentials, load_credentials
from bridge.api.access.sessions import Sessions
from bridge.api.route_table import Admission, rules_of
from bridge.api.routes import TABLE
from bridge.errors import SetupError
from bridge.settings import DashboardSettings, ServerSettings
from bridge.storage.api_keys import Key
from bridge.storage.key_files import KeyFile, new_key
from tests.support.fake_backend import KEY, Served, serving
from tests.support.waiting import LIMIT

AUTH = f"Authorization: Bearer {KEY}"


async def ask(
    served: Served,
    *headers: str,
    method: str = "GET",
    path: str = "/v1/models",
    body: str = "",
    version: str = "1.1",
) -> int:
    """Send exactly these headers and return the status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    head = (f"{method} {path} HTTP/{version}", "Connection: close", f"Content-Length: {len(body)}", *headers)
    writer.write(("\r\n".join(head) + "\r\n\r\n" + body).encode("latin-1"))
    answer = await asyncio.wait_for(reader.read(), LIMIT)
    writer.close()
    return int(answer.split()[1])


# Keys


async def test_every_route_but_the_open_ones_of_the_table_asks_for_the_key(served: Served) -> None:
    table = served.app[TABLE]
    opened = {(one.method, path) for one in table if one.admission is Admission.NOTHING for path in one.paths()}
    routed = set()
    for route in served.app.router.routes():
        assert route.resource is not None
        canonical, method = route.resource.canonical, "GET" if route.method == "HEAD" else route.method
        routed.add((method, canonical))
        path = canonical.replace("{id}", "deepseek")
        status = await ask(served, "Host: localhost", "Content-Type: application/json", method=route.method, path=path)
        is_open = (method, canonical.replace("{file}", "{file:.+}")) in opened
        assert (status == 401) == (not is_open), (route.method, path, status)
    tabled = {(one.method, path.replace("{file:.+}", "{file}")) for one in table for path in one.paths()}
    assert routed == tabled
    assert served.backend.requests == []


async def test_few_paths_are_open_to_everybody(served: Served) -> None:
    dashboard = {"/dashboard", "/dashboard/live", "/dashboard/static/{file}", "POST /admin/api/session"}
    unlocked = {"/", "/healthz", "/readyz", "/ping", "/pressure", "/docs", "/openapi.json", *dashboard}
    table = served.app[TABLE]
    assert rules_of(table).unlocked == unlocked


@pytest.mark.parametrize("path", ["/nothing", "/v1/", "/healthz/x", "//healthz", "/v1/models/../../healthz"])
async def test_a_path_that_is_no_route_asks_for_the_key(served: Served, path: str) -> None:
    assert await ask(served, "Host: localhost", path=path) == 401


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (AUTH, 200),
        (f"authorization: bearer  {KEY} ", 200),
        (f"X-API-Key: {KEY}", 200),
        ("Authorization: Bearer wrong", 401),
        (f"Authorization: Bearer {KEY}x", 401),
        (f"Authorization: Bearer {KEY[:-1]}", 401),
        ("Authorization: Bearer", 401),
        ("Authorization: Bearer \xe9\xff", 401),
        (f"Authorization: Basic {KEY}", 401),
        (f"Authorization: {KEY}", 401),
        ("X-API-Key: \xfc", 401),
        ("X-Other: 1", 401),
    ],
)
async def test_only_a_known_key_is_let_in(served: Served, header: str, status: int) -> None:
    assert await ask(served, "Host: localhost", header) == status


async def test_a_missing_key_is_told_in_openai_s_shape(served: Served) -> None:
    async with served.http.get("/v1/models", headers={"Authorization": "Bearer wrong"}) as response:
        error = (await response.json())["error"]
        assert (response.status, response.headers["www-authenticate"]) == (401, "Bearer")
        assert response.headers["x-should-retry"] == "false"
        assert response.headers["x-request-id"]
    assert (error["code"], error["type"]) == ("invalid_api_key", "authentication_error")
    assert "wrong" not in error["message"]


async def test_wrong_keys_are_slowed_down_and_a_right_one_is_let_in_all_the_same(alone: Served) -> None:
    wrong = [await ask(alone, "Host: localhost", f"Authorization: Bearer wrong-{number}") for number in range(30)]
    assert (wrong[0], wrong[-1]) == (401, 429)
    assert await ask(alone, "Host: localhost", AUTH) == 200
    assert await ask(alone, "Host: localhost") == 401
    async with alone.http.get("/v1/models", headers={"Authorization": "Bearer wrong"}) as response:
        assert (await response.json())["error"]["code"] == "too_many_attempts"
        assert 1 <= int(response.headers["retry-after"]) <= 6


async def test_wrong_keys_fill_no_log(alone: Served) -> None:
    lines: list[str] = []
    sink = logger.add(lines.append, format="{message}")
    try:
        for number in range(100):
            await ask(alone, "Host: localhost", f"Authorization: Bearer wrong-{number}")
    finally:
        logger.remove(sink)
    assert 1 <= len(lines) <= 5
    assert "127.0.0.1" in lines[0]
    assert "wrong" not in "".join(lines)


async def test_without_keys_nobody_is_asked() -> None:
    async with serving(locked=False) as served:
        assert await ask(served, "Host: localhost") == 200
        assert await ask(served, "Host: evil.example") == 403


def test_any_of_several_keys_is_accepted() -> None:
    access = Credentials([Key.of(key, key, "chat") for key in ("one", "two")], Sessions(hours=1))
    known = [access.key_of(key) is not None for key in ("one", "two", "three", "", "\udce9")]
    assert known == [True, True, False, False, False]


# The guard


@pytest.fixture(scope="module")
async def named() -> AsyncIterator[Served]:
    """A server that has names of its own."""
    async with serving(ServerSettings(allowed_hosts=("bridge.home", "Other.home:9000"))) as running:
        yield running


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("localhost.", 200),
        ("127.0.0.1", 200),
        ("127.0.0.1:8000", 200),
        ("127.8.8.8", 200),
        ("[::1]", 200),
        ("[::1]:8000", 200),
        ("bridge.home", 200),
        ("bridge.home:8443", 200),
        ("other.home:9000", 200),
        ("other.home", 403),
        ("other.home:9001", 403),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("evil.example:8000", 403),
        ("localhost:80@evil.example", 403),
        ("192.168.1.5", 403),
        ("0.0.0.0", 403),
        ("[::ffff:1.2.3.4]", 403),
        ("[::1", 403),
        ("127.1", 403),
        ("", 403),
    ],
)
async def test_only_a_host_that_is_ours_is_answered(named: Served, host: str, status: int) -> None:
    assert await ask(named, f"Host: {host}", AUTH) == status
    assert await ask(named, f"Host: {host}", path="/healthz") == status


async def test_a_missing_or_double_host_is_refused(served: Served) -> None:
    assert await ask(served, AUTH) == 400
    assert await ask(served, AUTH, version="1.0") == 403
    assert await ask(served, "Host: localhost", "Host: evil.example", AUTH) in (400, 403)


@pytest.mark.parametrize("listening", ["0.0.0.0", "::"])
async def test_on_all_interfaces_any_literal_address_is_ours_but_no_name(listening: str) -> None:
    async with serving(ServerSettings(host=listening)) as served:
        for host, status in (("192.168.1.5:8000", 200), ("[fd00::5]", 200), ("localhost", 200), ("evil.example", 403)):
            assert await ask(served, f"Host: {host}", AUTH) == status


async def test_an_address_of_this_machine_is_ours_where_the_bridge_listens_on_it() -> None:
    async with serving(ServerSettings(host="192.168.1.5")) as served:
        assert await ask(served, "Host: 192.168.1.5:8000", AUTH) == 200
        assert await ask(served, "Host: 192.168.1.6:8000", AUTH) == 403


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (("Origin: http://localhost:8000",), 200),
        (("Origin: https://localhost:8000",), 200),
        (("Origin: http://localhost",), 403),
        (("Origin: http://127.0.0.1:8000",), 403),
        (("Origin: https://evil.example",), 403),
        (("Origin: null",), 403),
        (("Origin: ",), 403),
        (("Origin: http://localhost:8000", "Origin: https://evil.example"), 403),
        (("Sec-Fetch-Site: same-origin",), 200),
        (("Sec-Fetch-Site: none",), 200),
        (("Sec-Fetch-Site: cross-site",), 403),
        (("Sec-Fetch-Site: same-site",), 403),
        (("Sec-Fetch-Site: CROSS-SITE",), 403),
    ],
)
async def test_a_page_of_another_origin_is_refused(served: Served, headers: tuple[str, ...], status: int) -> None:
    assert await ask(served, "Host: localhost:8000", AUTH, *headers) == status


async def test_a_cross_site_form_reaches_no_handler() -> None:
    async with serving(locked=False) as served:
        body = '{"model":"deepseek","messages":[{"role":"user","content":"Hi"}]}'
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            headers = ("Host: localhost", f"Content-Type: {kind}")
            assert await ask(served, *headers, method="POST", path="/v1/chat/completions", body=body) == 415
        assert await ask(served, "Host: localhost", method="POST", path="/v1/chat/completions", body=body) == 415
        assert served.backend.requests == []


async def test_a_body_in_an_unknown_encoding_is_refused(served: Served) -> None:
    headers = ("Host: localhost", AUTH, "Content-Type: application/json", "Content-Encoding: compress")
    assert await ask(served, *headers, method="POST", path="/v1/chat/completions", body="{}") == 415


async def test_no_answer_allows_another_origin_to_read_it(served: Served) -> None:
    async with served.http.options("/v1/models", headers={"Origin": "https://evil.example"}) as response:
        assert not [name for name in response.headers if name.lower().startswith("access-control")]


# The key file


def test_the_first_start_makes_one_key_that_only_we_can_read(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "config")
    (key,) = file.keys()
    assert key.startswith("sk-bridge-")
    assert len(key) >= len("sk-bridge-") + 32
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert [path.name for path in file.path.parent.iterdir()] == ["api_keys"]
    assert KeyFile(tmp_path / "config").keys() == (key,)


def test_every_key_is_another() -> None:
    assert len({new_key() for _ in range(100)}) == 100


def test_a_key_can_be_added(tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    first = file.keys()
    assert file.keys() == first
    added = file.add()
    assert file.keys() == (*first, added)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


def test_a_key_added_to_a_file_without_a_last_line_end_stands_alone(tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    file.path.touch(mode=0o600)
    file.path.write_text("mine")
    assert file.keys() == ("mine",)
    added = file.add()
    assert file.keys() == ("mine", added)


def test_comments_and_empty_lines_are_no_keys(tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    file.path.touch(mode=0o600)
    file.path.write_text("# the laptop\n\n  one  # spare\ntwo\r\n")
    assert file.keys() == ("one", "two")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660, 0o666])
def test_a_file_that_others_can_use_is_refused_with_the_command_that_helps(tmp_path: Path, mode: int) -> None:
    file = KeyFile(tmp_path / "my config")
    file.keys()
    file.path.chmod(mode)
    for use in (file.keys, file.add):
        with pytest.raises(SetupError) as caught:
            use()
        assert f"chmod 600 '{file.path}'" in caught.value.message


def test_a_file_without_a_key_is_refused(tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    file.path.touch(mode=0o600)
    with pytest.raises(SetupError, match="no API key"):
        file.keys()


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_never_followed(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "target"
    if there:
        target.touch(mode=0o600)
        target.write_text("planted")
    file = KeyFile(tmp_path)
    file.path.symlink_to(target)
    with pytest.raises(SetupError):
        file.keys()
    assert target.exists() == there


def test_a_config_folder_that_cannot_be_made_is_a_setup_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="Cannot use the key file"):
        KeyFile(tmp_path / "file").keys()


def test_two_first_starts_at_once_agree_on_one_key(tmp_path: Path) -> None:
    one, other = KeyFile(tmp_path), KeyFile(tmp_path)
    one._make()
    first = one.keys()
    other._make()
    assert other.keys() == first


# Where a key must be asked for


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_no_auth_is_for_a_loopback_address(tmp_path: Path, host: str) -> None:
    assert load_credentials(tmp_path, ServerSettings(host=host, no_auth=True), DashboardSettings()).is_free


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "bridge.home", "", "localhost.evil.example"])
def test_no_auth_is_refused_anywhere_else(tmp_path: Path, host: str) -> None:
    with pytest.raises(SetupError, match="loopback"):
        load_credentials(tmp_path, ServerSettings(host=host, no_auth=True), DashboardSettings())


def test_all_interfaces_need_keys_that_cannot_be_guessed(tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    file.path.touch(mode=0o600)
    file.path.write_text(f"{KEY}\nshort\n")
    with pytest.raises(SetupError, match="32 characters"):
        load_credentials(tmp_path, ServerSettings(host="0.0.0.0"), DashboardSettings())
    assert load_credentials(tmp_path, ServerSettings(), DashboardSettings()).key_of("short") is not None


def test_the_first_start_beyond_this_machine_makes_a_key_that_is_long_enough(tmp_path: Path) -> None:
    access = load_credentials(tmp_path, ServerSettings(host="0.0.0.0"), DashboardSettings())
    assert access.key_of(KeyFile(tmp_path).keys()[0]) is not None
