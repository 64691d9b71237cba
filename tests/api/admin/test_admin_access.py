"""Who gets in to the dashboard and the admin API: keys, links, sessions, CSRF tokens, other web pages."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from yarl import URL

from bridge.api.access.credentials import Credentials, load_credentials
from bridge.api.access.sessions import MOST_SESSIONS, MOST_TOKENS, TOKEN_LIFE, Sessions
from bridge.api.admin.sign_in import is_said_https
from bridge.app import Bridge
from bridge.browser.browser import Chromium
from bridge.chat.types import Account
from bridge.errors import SetupError
from bridge.pool.pool import Pool
from bridge.settings import ApiSettings, DashboardSettings, ServerSettings
from bridge.storage.api_keys import KeyStore
from bridge.telemetry import WorkerState
from tests.support.fake_backend import ADMIN_KEY, KEY, Served, serving
from tests.support.operator import SESSION, browser, events, signed_in
from tests.support.waiting import LIMIT, until

STATE = "/admin/api/state"
EVIL = "https://evil.example"
JSON = {"Content-Type": "application/json"}


def admin_routes(served: Served) -> Iterator[tuple[str, str]]:
    """Yield method and path of each route of the admin API but that of signing in, with a name in each gap."""
    for route in served.app.router.routes():
        assert route.resource is not None
        path = route.resource.canonical.replace("{name}", "alice").replace("{id}", "0").replace("{file}", "app.js")
        if path.startswith("/admin") and (route.method, path.rstrip("/")) != ("POST", SESSION):
            yield route.method, path


# Every route


async def test_every_admin_route_refuses_whoever_shows_nothing_and_chat_keys(served: Served) -> None:
    routes = list(admin_routes(served))
    assert len(routes) >= 60
    for method, path in routes:
        for headers, status in (({}, 401), ({"Authorization": "Bearer wrong"}, 401), ({"x-api-key": KEY}, 403)):
            async with browser(served) as http, http.request(method, path, headers={**JSON, **headers}) as response:
                refused = response.status if response.status != 429 else 401
                assert (refused, response.content_type) == (status, "application/json"), (method, path, headers)
                if method != "HEAD":
                    assert (await response.json())["error"]["message"]
    assert served.backend.done == []


async def test_every_action_refuses_a_session_without_its_csrf_token(served: Served) -> None:
    async with signed_in(served) as operator:
        actions = [(method, path) for method, path in admin_routes(served) if method not in ("GET", "HEAD")]
        assert len(actions) >= 20
        for method, path in actions:
            for token in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "x" * 43}, {"X-CSRF-Token": operator.csrf[:-1]}):
                async with operator.http.request(method, path, headers={**JSON, **token}) as response:
                    assert response.status == 403, (method, path)
                    assert "X-CSRF-Token" in (await response.json())["error"]["message"]
        assert served.backend.done == []
        assert (await operator.answer("GET", SESSION))[0] == 200


@pytest.mark.parametrize("head", ["", "Content-Length: 0", "Content-Type: text/plain"])
async def test_an_action_by_a_key_needs_no_body(served: Served, head: str) -> None:
    assert await sent(served, f"Authorization: Bearer {ADMIN_KEY}", head) == 200
    assert served.backend.done == ["pause alice"]


@pytest.mark.parametrize(
    "head",
    [
        ("Content-Type: text/plain", "Content-Length: 2"),
        ("Content-Type: application/x-www-form-urlencoded", "Content-Length: 2"),
        ("Content-Length: 2",),
    ],
)
async def test_an_action_with_a_body_of_another_type_is_refused(served: Served, head: Sequence[str]) -> None:
    assert await sent(served, f"Authorization: Bearer {ADMIN_KEY}", *head, body="{}") == 415
    chunked = ("Content-Type: text/plain", "Transfer-Encoding: chunked")
    assert await sent(served, f"Authorization: Bearer {ADMIN_KEY}", *chunked, body="2\r\n{}\r\n0\r\n\r\n") == 415
    assert served.backend.done == []


async def test_an_action_without_its_body_says_what_is_missing(served: Served) -> None:
    assert await sent(served, f"Authorization: Bearer {ADMIN_KEY}", path="/admin/api/accounts/alice/rename") == 400
    assert served.backend.done == []


async def test_an_action_of_a_session_without_a_body_still_names_its_type(served: Served) -> None:
    async with signed_in(served) as operator:
        (cookie,) = operator.http.cookie_jar
        heads = (f"Cookie: {cookie.key}={cookie.value}", f"X-CSRF-Token: {operator.csrf}")
        assert await sent(served, *heads) == 415
        assert await sent(served, heads[0]) == 403
        assert await sent(served, *heads, "Content-Type: application/json") == 200


async def sent(served: Served, *heads: str, body: str = "", path: str = "/admin/api/accounts/alice/pause") -> int:
    """Post exactly these headers, and return the status: the clients of libraries add headers of their own."""
    served.backend.known = (Account("alice", WorkerState.READY, "", None, is_busy=False),)
    lines = f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{served.port}", "Connection: close", *filter(None, heads)
    async with asyncio.timeout(LIMIT):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(("\r\n".join(lines) + f"\r\n\r\n{body}").encode())
        answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


async def test_no_request_of_another_web_page_counts_whatever_it_brings(served: Served) -> None:
    attacks = [{"Origin": EVIL}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
    async with signed_in(served) as operator:
        for method, path in admin_routes(served):
            for attack in attacks:
                headers = {**JSON, "X-CSRF-Token": operator.csrf, **attack}
                async with operator.http.request(method, path, headers=headers) as response:
                    assert response.status == 403, (method, path, attack)
    assert served.backend.done == []


async def test_a_link_of_another_site_may_lead_to_the_page_and_to_nothing_else(served: Served) -> None:
    visit = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    framed = {**visit, "Sec-Fetch-Dest": "iframe"}
    async with signed_in(served) as operator:
        cases = [
            ("/dashboard", visit, 200),
            ("/dashboard", framed, 403),
            (STATE, visit, 403),
            ("/v1/models", visit, 403),
        ]
        for path, headers, status in cases:
            async with operator.get(path, headers=headers) as response:
                assert response.status == status, (path, headers)


NOBODY = "/admin/api/live/account/nobody"


@pytest.mark.parametrize("origin", [EVIL, "null", "http://localhost:1", "https://127.0.0.1.evil.example"])
async def test_a_web_socket_of_another_web_page_is_refused(served: Served, origin: str) -> None:
    async with signed_in(served) as operator:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await operator.http.ws_connect("/admin/api/live/account/alice", headers={"Origin": origin})
        assert caught.value.status == 403


async def test_a_web_socket_of_a_session_must_name_its_origin(served: Served) -> None:
    async with signed_in(served) as operator:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await operator.http.ws_connect(NOBODY)
        assert caught.value.status == 403
        async with operator.http.ws_connect(NOBODY, headers={"Origin": f"http://127.0.0.1:{served.port}"}) as socket:
            await socket.receive()
            assert socket.close_code == 1008  # there is no such account, but nothing else is in the way
        async with operator.http.get(NOBODY, headers={"Origin": f"http://127.0.0.1:{served.port}"}) as response:
            assert response.status == 404


async def test_pages_of_allowed_origins_may_chat_but_never_come_near_the_admin_api() -> None:
    page = "https://chat.example.com"
    async with serving(api=ApiSettings(allowed_origins=(page,))) as served, signed_in(served) as operator:
        async with operator.http.get("/v1/models", headers={"Origin": page}) as response:
            assert response.status == 401  # the cookie counts for nothing there
        for key in ({}, {"Authorization": f"Bearer {ADMIN_KEY}"}):
            async with operator.http.get(STATE, headers={"Origin": page, **key}) as response:
                assert response.status == 403
                assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    "path", ["/dashboard", "/dashboard/", "/dashboard/static/base.css", "/dashboard/static/none", STATE, SESSION]
)
async def test_no_answer_of_the_dashboard_may_be_framed_sniffed_or_run_inline(served: Served, path: str) -> None:
    async with browser(served) as http, http.get(path) as response:
        policy = response.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cross-origin-opener-policy"] == "same-origin"
        if path.startswith("/admin"):
            assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("page", ["/dashboard", "/dashboard/live?account=alice"])
async def test_a_page_s_address_with_a_slash_leads_to_where_the_page_finds_its_files(served: Served, page: str) -> None:
    path, _, query = page.partition("?")
    async with browser(served) as http, http.get(f"{path}/?{query}") as response:
        assert str(response.url.relative()) == page
        for file in re.findall(r'(?:src|href)="([^"]*static/[^"]*)"', await response.text()):
            async with http.get(response.url.join(URL(file))) as found:
                assert found.status == 200, file


@pytest.mark.parametrize(
    "path",
    ["/dashboard/static/../__init__.py", "/dashboard/static/%2e%2e/__init__.py", "/dashboard/static/..%2f__init__.py"],
)
async def test_only_the_dashboard_s_own_files_are_served(served: Served, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), LIMIT)
    writer.close()
    assert int(answer.split()[1]) in (401, 404)


async def test_turned_off_there_is_no_dashboard_and_no_admin_api() -> None:
    async with serving(dashboard=DashboardSettings(enabled=False)) as served:
        assert list(admin_routes(served)) == []
        for path in ("/dashboard", STATE, SESSION):
            async with served.http.get(path, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as response:
                assert response.status == 404
        async with served.http.get("/", headers={"Accept": "text/html"}) as response:
            assert (await response.json())["name"] == "chat-page-bridge"


async def test_a_browser_that_comes_to_the_root_is_led_to_the_dashboard(served: Served) -> None:
    async with (
        browser(served) as http,
        http.get("/", headers={"Accept": "text/html"}, allow_redirects=False) as response,
    ):
        assert (response.status, response.headers["location"]) == (302, "dashboard")


# Sign-in


async def test_an_admin_key_is_exchanged_for_a_cookie_that_no_script_and_no_other_site_gets(served: Served) -> None:
    async with browser(served) as http, http.post(SESSION, json={"key": ADMIN_KEY}) as response:
        assert (response.status, {*await response.json()}) == (200, {"csrf", "expires", "key"})
        (cookie,) = response.cookies.values()
        assert cookie.key == f"bridge_session_{served.port}"
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
        assert (cookie["secure"], cookie["domain"], int(cookie["max-age"])) == ("", "", 12 * 3600)
        async with http.get(STATE) as state:
            assert state.status == 200


async def test_by_https_the_cookie_is_for_https_alone(served: Served) -> None:
    headers = {"X-Forwarded-Proto": "https"}
    async with browser(served) as http, http.post(SESSION, json={"key": ADMIN_KEY}, headers=headers) as response:
        (cookie,) = response.cookies.values()
        assert cookie["secure"] is True


@pytest.mark.parametrize(
    ("said", "peer", "believed"),
    [
        ("https", "127.0.0.1", True),
        ("HTTPS", "::1", True),
        ("http", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        ("https", "192.168.1.5", False),
        ("https", "203.0.113.7", False),
        ("https", None, False),
    ],
)
def test_only_a_proxy_on_this_machine_is_believed_that_its_client_came_by_https(
    said: str, peer: str | None, believed: bool
) -> None:
    assert is_said_https(said, peer) == believed


async def test_a_session_chats_as_well_with_its_csrf_token(served: Served) -> None:
    body = {"model": "deepseek", "messages": [{"role": "user", "content": "Hi"}]}
    async with signed_in(served) as operator:
        assert (await operator.answer("POST", "/v1/chat/completions", body))[0] == 200
        assert (await operator.answer("GET", "/v1/models"))[0] == 200
        async with operator.http.post("/v1/chat/completions", json=body) as response:
            assert response.status == 403
    assert len(served.backend.requests) == 1


async def test_an_admin_key_chats_and_a_chat_key_signs_nobody_in(served: Served) -> None:
    async with served.http.get("/v1/models", headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as response:
        assert response.status == 200
    async with browser(served) as http, http.post(SESSION, json={"key": KEY}) as response:
        assert (response.status, (await response.json())["error"]["param"]) == (403, "key")
        assert not response.cookies


async def test_without_auth_for_chats_the_dashboard_asks_to_sign_in_all_the_same() -> None:
    async with serving(locked=False) as served, browser(served) as http:
        async with http.get("/v1/models") as response:
            assert response.status == 200
        for headers in ({}, {"Authorization": "Bearer none"}):
            async with http.get(STATE, headers=headers) as response:
                assert response.status == 401
        async with signed_in(served) as operator:
            assert (await operator.answer("GET", STATE))[0] == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "key"),
        ({"key": "a", "token": "b"}, "key"),
        ({"key": 7}, "key"),
        ({"key": "k" * 5000}, "key"),
        ({"token": None, "other": 1}, "other"),
        ([], None),
    ],
)
async def test_a_bad_sign_in_is_told_which_field_is_wrong_and_shows_no_key(
    served: Served, body: object, param: str | None
) -> None:
    async with browser(served) as http, http.post(SESSION, json=body) as response:
        error = (await response.json())["error"]
        assert (response.status, error["param"]) == (400, param)
        assert "kkkk" not in error["message"]


async def test_guesses_are_slowed_down_while_the_owner_gets_in(alone: Served) -> None:
    async with signed_in(alone) as already, browser(alone) as http:
        statuses = []
        for number in range(30):
            guess = {"key": f"wrong-{number}"} if number % 2 else {"token": f"wrong-{number}"}
            async with http.post(SESSION, json=guess) as response:
                statuses.append(response.status)
        assert (statuses[0], statuses[-1]) == (401, 429)
        async with http.get(STATE, headers={"Authorization": "Bearer guess"}) as response:
            assert response.status == 429
        assert (await already.answer("GET", STATE))[0] == 200
        async with signed_in(alone) as operator:
            assert (await operator.answer("GET", STATE))[0] == 200


async def test_signing_out_ends_the_session_for_good(served: Served) -> None:
    async with signed_in(served) as operator:
        cookies = {cookie.key: cookie.value for cookie in operator.http.cookie_jar}
        status, _ = await operator.answer("DELETE", SESSION)
        assert status == 200
        assert list(operator.http.cookie_jar) == []
        async with operator.http.get(STATE, cookies=cookies) as response:
            assert response.status == 401


async def test_a_session_tells_its_csrf_token_to_its_own_page_again(served: Served) -> None:
    async with signed_in(served) as operator:
        status, found = await operator.answer("GET", SESSION)
        assert (status, found["csrf"]) == (200, operator.csrf)
    async with served.http.get(SESSION, headers={"Authorization": f"Bearer {ADMIN_KEY}"}) as response:
        assert response.status == 401


# Links


async def test_a_link_signs_in_once(alone: Served) -> None:
    async with signed_in(alone) as operator, browser(alone) as http:
        _, link = await operator.answer("POST", "/admin/api/links", {"path": "/dashboard/live?account=alice"})
        address, _, token = link["url"].partition("#sign-in=")
        assert address == f"http://127.0.0.1:{alone.port}/dashboard/live?account=alice"
        for status in (200, 401):
            async with http.post(SESSION, json={"token": token}) as response:
                assert response.status == status
        async with http.get(STATE) as response:
            assert response.status == 200


async def test_the_link_that_serve_prints_signs_in_once(tmp_path: Path) -> None:
    access = load_credentials(tmp_path, ServerSettings(), DashboardSettings())
    path = Bridge("http://127.0.0.1:1", cast(Pool, None), cast(Chromium, None), access).sign_in_path()
    assert path is not None
    address, _, token = path.partition("#sign-in=")
    assert address == "/dashboard"
    key = access.redeem(token)
    assert [known.scope for known in access.keys if known.id == key] == ["admin"]
    assert access.redeem(token) is None


@pytest.mark.parametrize(
    "path", ["https://evil.example/", "//evil.example/dashboard", "/v1", "/dashboard#a", "/dashboard\\x"]
)
async def test_a_link_leads_nowhere_else(served: Served, path: str) -> None:
    async with signed_in(served) as operator:
        status, answer = await operator.answer("POST", "/admin/api/links", {"path": path})
        assert (status, answer["error"]["param"]) == (400, "path")


def test_sessions_and_tokens_end_by_time_and_are_bounded() -> None:
    now = [1000.0]
    sessions = Sessions(2, lambda: now[0])
    cookie, session = sessions.open("k")
    token, _ = sessions.invite("k")
    now[0] += TOKEN_LIFE
    assert sessions.redeem(token) is None
    now[0] = 1000.0 + 7199
    assert sessions.find(cookie) == session
    now[0] += 1
    assert sessions.find(cookie) is None
    first, _ = sessions.open("k")
    first_token, _ = sessions.invite("k")
    for _ in range(max(MOST_SESSIONS, MOST_TOKENS)):
        sessions.open("k")
        last_token, _ = sessions.invite("k")
    assert (sessions.find(first), sessions.redeem(first_token), sessions.redeem(last_token)) == (None, None, "k")
    assert sessions.redeem(last_token) is None


# Keys that change


@asynccontextmanager
async def with_files(folder: Path) -> AsyncIterator[tuple[Credentials, KeyStore]]:
    """Give the access to a bridge whose keys are in files, and what changes them, as a command does."""
    access = load_credentials(folder, ServerSettings(), DashboardSettings())
    access.look_every = 0.05
    async with asyncio.timeout(LIMIT):
        watching = asyncio.get_running_loop().create_task(access.watch())
        try:
            yield access, KeyStore(folder)
        finally:
            watching.cancel()


async def test_keys_that_a_command_adds_and_revokes_count_in_the_running_service(tmp_path: Path) -> None:
    async with with_files(tmp_path) as (access, store):
        key, text = await asyncio.to_thread(store.add, "laptop", "admin")
        await until(lambda: access.key_of(text) is not None)
        cookie, _ = access.sessions.open(key.id)
        token, _ = access.sessions.invite(key.id)
        assert access.session_of(cookie) is not None
        await asyncio.to_thread(store.revoke, key.id)
        await until(lambda: access.key_of(text) is None)
        assert access.session_of(cookie) is None
        assert access.redeem(token) is None


async def test_a_key_that_the_service_adds_is_shown_once_and_ends_with_its_sessions_at_once(tmp_path: Path) -> None:
    access = load_credentials(tmp_path, ServerSettings(), DashboardSettings())
    key, text = await access.add("phone", "admin")
    cookie, _ = access.sessions.open(key.id)
    assert access.key_of(text) == key
    stored = await asyncio.to_thread((tmp_path / "keys.json").read_text)
    assert (key.id in stored, text in stored) == (True, False)
    await access.revoke(key.id)
    assert (access.key_of(text), access.session_of(cookie)) == (None, None)


async def test_revoking_the_key_of_the_local_commands_gives_them_another_one(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    access = load_credentials(tmp_path, ServerSettings(), DashboardSettings())
    first = store.admin_key()
    key = access.key_of(first)
    assert key is not None
    await access.revoke(key.id)
    assert (access.key_of(first), access.key_of(store.admin_key()) is not None) == (None, True)
    assert store.local.path.stat().st_mode & 0o777 == 0o600


async def test_the_last_key_that_may_chat_stays(tmp_path: Path) -> None:
    access = load_credentials(tmp_path, ServerSettings(), DashboardSettings())
    (plain,) = [key for key in access.keys if key.scope == "chat"]
    with pytest.raises(Exception, match="last key for chats"):
        await access.revoke(plain.id)
    await access.add("laptop", "chat")
    await access.revoke(plain.id)
    assert [
        key.name
        for key in load_credentials(tmp_path, ServerSettings(), DashboardSettings()).keys
        if key.scope == "chat"
    ] == ["laptop"]


def test_beyond_this_machine_an_admin_key_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    store.local.keys()
    store.local.path.write_text("short\n")
    abroad = ServerSettings(host="0.0.0.0")
    with pytest.raises(SetupError, match="32 characters"):
        load_credentials(tmp_path, abroad, DashboardSettings())
    assert load_credentials(tmp_path, ServerSettings(), DashboardSettings()).key_of("short") is not None
    store.local.path.unlink()
    assert len(load_credentials(tmp_path, abroad, DashboardSettings()).keys) == 2


@pytest.mark.parametrize("name", ["", "   ", "a\x1b[2J", "x" * 65, "\u202eevil"])
def test_the_name_of_a_key_is_short_and_can_be_printed(tmp_path: Path, name: str) -> None:
    with pytest.raises(Exception, match="printable"):
        KeyStore(tmp_path).add(name, "chat")


def test_a_key_file_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    store = KeyStore(tmp_path)
    store.add("laptop", "chat")
    (tmp_path / "keys.json").write_text("{")
    for use in (store.all, lambda: store.add("phone", "chat")):
        with pytest.raises(SetupError, match=r"keys\.json"):
            use()
    assert (tmp_path / "keys.json").read_text() == "{"


async def test_a_stream_of_a_session_that_is_over_ends(served: Served) -> None:
    served.access.look_every = 0.05
    async with signed_in(served) as operator, events(operator.http) as stream:
        await stream.next("state")
        await operator.answer("DELETE", SESSION)
        await stream.end()
