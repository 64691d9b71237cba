"""UserTokens in place of a key: who is let in by one, and where it leads. The accounts themselves open no browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.api.access.guard import user_tokens
from bridge.browser.browser import Chromium
from bridge.chat.operator_visit import Visit
from bridge.chat.rate_limits import RateLimit
from bridge.chat.types import Model
from bridge.errors import (
    BridgeError,
    BrowserError,
    NoAccount,
    PoolFull,
    RequestError,
    SetupError,
    TokenRefused,
    TooManyAttempts,
)
from bridge.pool.pool import Pool
from bridge.pool.token_accounts import MOST_REMEMBERED, RefusedTokens, name_of
from bridge.settings import ApiSettings, PoolSettings, Settings, TokenSettings
from bridge.sites.contract import SiteDriver
from bridge.storage.key_files import new_key
from bridge.telemetry import Telemetry, WorkerState
from bridge.worker.token_worker import TokenLogins
from tests.pool.test_pool import Facts, ScriptedWorker, answer, request
from tests.support.fake_backend import KEY, Served, serving
from tests.support.waiting import LIMIT

ONE, TWO, THREE = ("one" * 16, "Two+/=" * 8, "3.-_" * 12)
PAGE = "https://chat.example.com"


# At the door


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(api=ApiSettings(allowed_origins=(PAGE,)), tokens=True) as running:
        yield running


@pytest.mark.parametrize(
    ("given", "tokens"),
    [
        (ONE, (ONE,)),
        (f"{ONE},{TWO}", (ONE, TWO)),
        (f" {ONE} , {TWO}, ", (ONE, TWO)),
        (KEY, ()),
        (f"{ONE},{KEY}", ()),
        (f"sk-{ONE}", ()),
        ("short", ()),
        (f"{ONE},short", ()),
        (ONE * 100, ()),
        (f"{ONE}\xe9", ()),
        (",", ()),
        ("", ()),
    ],
)
def test_a_user_token_is_told_from_a_key_by_how_it_looks(given: str, tokens: tuple[str, ...]) -> None:
    assert user_tokens(given) == tokens


def test_no_key_of_the_bridge_looks_like_a_user_token() -> None:
    assert user_tokens(new_key()) == ()


@pytest.mark.parametrize("header", [{"Authorization": f"Bearer {ONE},{TWO}"}, {"x-api-key": f"{ONE},{TWO}"}])
@pytest.mark.parametrize("page", [{}, {"Origin": PAGE, "Sec-Fetch-Site": "cross-site"}])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_chat_that_brings_tokens_is_answered_by_their_accounts(
    served: Served, header: dict[str, str], page: dict[str, str], stream: bool
) -> None:
    body = {"model": "deepseek", "messages": [{"role": "user", "content": "Hi"}], "stream": stream}
    headers = {"Authorization": "", **header, **page}
    async with served.http.post("/v1/chat/completions", json=body, headers=headers) as response:
        assert response.status == 200
    assert served.backend.requests[0].tokens == (ONE, TWO)
    assert ONE not in repr(served.backend.requests[0])


async def test_several_answers_are_all_by_the_tokens_accounts(served: Served) -> None:
    body = {"model": "deepseek", "prompt": "Hi", "n": 2}
    headers = {"Authorization": f"Bearer {ONE}"}
    async with served.http.post("/v1/completions", json=body, headers=headers) as response:
        assert response.status == 200
    assert [chat.tokens for chat in served.backend.requests] == [(ONE,), (ONE,)]


async def test_a_key_is_never_taken_for_a_token(served: Served) -> None:
    async with served.post() as response:
        assert response.status == 200
    assert served.backend.requests[0].tokens == ()


MODELS_AND_CHATS = ("/api/", "/v1beta/models", "/v1/models/{model", "/models/{model")
"""How the paths begin below which Ollama's and Gemini's APIs have nothing but models and chats."""


async def test_a_token_opens_nothing_but_the_chat_and_the_models(served: Served) -> None:
    opened = set()
    for route in served.app.router.routes():
        assert route.resource is not None
        path = route.resource.canonical.replace("{id}", "deepseek")
        headers = {"Authorization": f"Bearer {ONE}"}
        async with served.http.request(route.method, path, json={"token": ONE}, headers=headers) as response:
            if response.status not in (401, 429):
                opened.add(path.rstrip("/") or "/")
    free = {"/", "/ping", "/healthz", "/readyz", "/pressure", "/docs", "/openapi.json"}
    free |= {"/dashboard", "/dashboard/live", "/dashboard/static/{file}"}
    chat = {"/chat/completions", "/completions", "/messages", "/messages/count_tokens", "/responses"}
    chat |= {"/images/generations", "/responses/input_tokens", "/responses/compact", "/models", "/models/deepseek"}
    others = {path for path in opened - free if path.removeprefix("/v1") not in chat}
    assert opened >= free | chat | {f"/v1{path}" for path in chat}
    assert {path for path in others if not path.startswith(MODELS_AND_CHATS)} == set()
    assert len(others) > 10, "those of Ollama and Gemini"


async def test_where_the_setting_is_off_a_token_is_an_unknown_key() -> None:
    async with serving() as served:
        for path in ("/v1/chat/completions", "/token/check"):
            async with served.http.post(path, json={}, headers={"Authorization": f"Bearer {ONE}"}) as response:
                assert response.status == 401
        async with served.http.post("/token/check", json={"token": ONE}) as response:
            assert response.status == 404
        async with served.http.get("/openapi.json") as response:
            assert "/token/check" not in (await response.json())["paths"]


async def test_without_keys_a_token_still_leads_to_its_account() -> None:
    async with serving(tokens=True, locked=False) as served:
        body = {"model": "deepseek", "messages": [{"role": "user", "content": "Hi"}]}
        for given in (ONE, KEY, "anything"):
            headers = {"Authorization": f"Bearer {given}"}
            async with served.http.post("/v1/chat/completions", json=body, headers=headers) as response:
                assert response.status == 200
        assert [chat.tokens for chat in served.backend.requests] == [(ONE,), (), ()]


# The check


async def test_a_check_tells_whether_a_token_is_alive(served: Served) -> None:
    served.backend.live = [ONE]
    for token, live in ((ONE, True), (TWO, False), ("no token", False), (f"{ONE},{ONE}", False), (KEY, False)):
        async with served.http.post("/token/check", json={"token": token}) as response:
            assert (response.status, await response.json()) == (200, {"live": live})
    assert served.backend.requests == []


@pytest.mark.parametrize("body", [{}, {"token": None}, {"token": 7}, {"token": ""}, {"token": [ONE]}])
async def test_a_check_of_nothing_is_refused_by_name(served: Served, body: object) -> None:
    async with served.http.post("/token/check", json=body) as response:
        assert (response.status, (await response.json())["error"]["param"]) == (400, "token")


async def test_the_description_names_the_check_where_it_is_served(served: Served) -> None:
    async with served.http.get("/openapi.json") as response:
        assert "/token/check" in (await response.json())["paths"]


# The accounts


class OpeningWorker(ScriptedWorker):
    """A worker that opens when it may."""

    def __init__(self, name: str, may_open: asyncio.Event) -> None:
        super().__init__(name)
        self.may_open = may_open

    @asynccontextmanager
    async def opened(self, visit: Visit | None = None) -> AsyncGenerator[None]:
        await self.may_open.wait()
        async with super().opened(visit):
            yield


class ScriptedSite:
    """A site whose accounts are scripted workers; those of the `dead` tokens do not open."""

    models: Sequence[Model] = (Model("deepseek-chat"),)

    def __init__(self, *dead: str) -> None:
        self.dead = dead
        self.made: list[ScriptedWorker] = []
        self.checked: list[str] = []
        self.checking = 0
        self.most_checking = 0
        self.gate = asyncio.Event()
        self.opening: asyncio.Event | None = None

    def worker(self, name: str, token: str) -> ScriptedWorker:
        worker = OpeningWorker(name, self.opening) if self.opening else ScriptedWorker(name)
        worker.open_fails = [TokenRefused(f"The token {token[-4:]} is dead.")] * (token in self.dead)
        self.made.append(worker)
        return worker

    async def is_live(self, token: str) -> bool:
        self.checked.append(token)
        self.checking += 1
        self.most_checking = max(self.most_checking, self.checking)
        await self.gate.wait()
        self.checking -= 1
        return token not in self.dead


@asynccontextmanager
async def pool_with(
    site: ScriptedSite | None, folder: Path, *workers: ScriptedWorker, idle: float = 60.0, most: int = 2
) -> AsyncGenerator[tuple[Pool, Facts]]:
    facts = Facts()
    settings = Settings(
        config=folder,
        pool=PoolSettings(min_interval=0, queue_limit=LIMIT, turns_per_hour=10),
        tokens=TokenSettings(enabled=True, idle=idle, max_accounts=most),
    )
    async with Pool(workers, settings, Telemetry(facts), site) as pool:
        for worker in workers:
            await facts.state(worker.name, WorkerState.READY)
        yield pool, facts


async def ask(pool: Pool, *tokens: str, name: str = "c", peer: str = "") -> str:
    return await answer(pool, replace(request(name), tokens=tokens, peer=peer))


async def test_each_chat_is_answered_by_the_accounts_that_are_its_own(tmp_path: Path) -> None:
    site = ScriptedSite()
    async with pool_with(site, tmp_path, ScriptedWorker("own")) as (pool, _):
        assert [await ask(pool, ONE), await ask(pool, TWO), await ask(pool)] == [name_of(ONE), name_of(TWO), "own"]
        assert {await ask(pool, ONE, TWO) for _ in range(4)} == {name_of(ONE), name_of(TWO)}
        assert len(site.made) == 2
        assert not any(token in name_of(token) for token in (ONE, TWO))


async def test_a_token_s_account_gives_one_answer_at_a_time(tmp_path: Path) -> None:
    site = ScriptedSite()
    async with pool_with(site, tmp_path) as (pool, _):
        await asyncio.gather(*(ask(pool, ONE) for _ in range(5)))
    (worker,) = site.made
    assert (worker.most_running, len(worker.answered)) == (1, 5)


async def test_a_chat_with_a_key_never_gets_a_token_s_account(tmp_path: Path) -> None:
    async with pool_with(ScriptedSite(), tmp_path) as (pool, _):
        assert pool.unready() is None
        await ask(pool, ONE)
        with pytest.raises(NoAccount) as caught:
            await ask(pool)
        assert name_of(ONE) not in caught.value.message
        assert pool.rate_limit(request("c")) is None


async def test_what_is_left_is_told_of_the_token_s_own_account(tmp_path: Path) -> None:
    async with pool_with(ScriptedSite(), tmp_path, ScriptedWorker("own")) as (pool, _):
        await ask(pool, ONE)
        left = [pool.rate_limit(replace(request("c"), tokens=tokens)) for tokens in ((ONE,), ())]
        assert [limit.remaining for limit in left if isinstance(limit, RateLimit)] == [9, 10]


async def test_a_dead_token_is_told_and_opened_only_once(tmp_path: Path) -> None:
    site = ScriptedSite(ONE)
    async with pool_with(site, tmp_path, ScriptedWorker("own")) as (pool, _):
        for _ in range(3):
            with pytest.raises(TokenRefused, match="is dead") as caught:
                await ask(pool, ONE)
            assert (caught.value.status, caught.value.sent) == (401, False)
        assert await ask(pool, ONE, TWO) == name_of(TWO)
    assert [worker.opens for worker in site.made] == [1, 1]


async def test_each_dead_token_is_told_also_when_one_was_refused_before(tmp_path: Path) -> None:
    site = ScriptedSite(ONE, TWO)
    async with pool_with(site, tmp_path) as (pool, _):
        for tokens in ((ONE,), (ONE, TWO), (TWO, ONE)):
            with pytest.raises(TokenRefused) as caught:
                await ask(pool, *tokens)
            assert all(f"The token {token[-4:]} is dead." in caught.value.message for token in tokens)


async def test_a_dead_token_is_tried_anew_after_a_while_although_the_client_keeps_asking(tmp_path: Path) -> None:
    site = ScriptedSite(ONE)
    async with pool_with(site, tmp_path, idle=0.05) as (pool, _):
        with pytest.raises(TokenRefused):
            await ask(pool, ONE)
        site.dead, answered = (), ""
        async with asyncio.timeout(LIMIT):
            while not answered:
                with suppress(TokenRefused):
                    answered = await ask(pool, ONE)
                await asyncio.sleep(0)
        assert answered == name_of(ONE)


async def test_invented_tokens_are_tried_only_so_often_and_take_no_room(tmp_path: Path) -> None:
    invented = [f"{number:032}" for number in range(40)]
    site = ScriptedSite(*invented)
    async with pool_with(site, tmp_path, most=4) as (pool, _):
        assert await ask(pool, ONE, peer="10.0.0.1") == name_of(ONE)
        errors: list[BridgeError] = []
        for token in (*invented, *invented):
            with pytest.raises((TokenRefused, TooManyAttempts)) as caught:
                await ask(pool, token, peer="10.0.0.2")
            errors.append(caught.value)
        assert len(site.made) == 11
        assert [error.status for error in errors[:40]] == [401] * 10 + [429] * 30
        assert [error.status for error in errors[40:]] == [401] * 10 + [429] * 30
        assert all(error.retry_after for error in errors if error.status == 429)
        assert await ask(pool, ONE, peer="10.0.0.2") == name_of(ONE)
        assert await ask(pool, TWO, peer="10.0.0.3") == name_of(TWO)
        assert {account.name for account in pool.accounts()} == {name_of(ONE), name_of(TWO)}


async def test_only_so_many_tokens_are_tried_at_a_time(tmp_path: Path) -> None:
    site = ScriptedSite()
    site.opening = asyncio.Event()
    async with pool_with(site, tmp_path, most=10) as (pool, _):
        tries = [(f"{number:032}", f"10.0.0.{number // 3}") for number in range(9)]
        asking = [asyncio.gather(ask(pool, token, peer=peer), return_exceptions=True) for token, peer in tries]
        async with asyncio.timeout(LIMIT):
            while sum(task.done() for task in asking) < 5:
                await asyncio.sleep(0)
        site.opening.set()
        answers = [(await task)[0] for task in asking]
    tried = [token for token, _ in tries[:2] + tries[3:5]]
    assert [answer for answer in answers if isinstance(answer, str)] == list(map(name_of, tried))
    refusals = [answer for answer in answers if isinstance(answer, PoolFull)]
    assert len(refusals) == 5
    assert all("being tried" in refusal.message and refusal.retry_after for refusal in refusals)


def test_no_more_refused_tokens_are_remembered_than_allowed() -> None:
    refused = RefusedTokens(60)
    for number in range(MOST_REMEMBERED + 5):
        refused.note(str(number), "dead")
    assert [refused.reason(str(number)) for number in (4, 5, MOST_REMEMBERED)] == [None, "dead", "dead"]


async def test_a_token_that_a_check_found_dead_is_not_looked_at_again(tmp_path: Path) -> None:
    site = ScriptedSite(ONE)
    site.gate.set()
    async with pool_with(site, tmp_path) as (pool, _):
        assert [await pool.is_live(ONE) for _ in range(3)] == [False] * 3
        with pytest.raises(TokenRefused):
            await ask(pool, ONE)
    assert (site.checked, site.made) == ([ONE], [])


async def test_an_account_that_nobody_uses_is_closed_and_one_in_use_is_not(tmp_path: Path) -> None:
    site = ScriptedSite()
    async with pool_with(site, tmp_path, idle=0.1) as (pool, facts):
        await ask(pool, ONE)
        site.made[0].hold = asyncio.Event()
        asking = asyncio.gather(ask(pool, ONE))
        await ask(pool, TWO)
        await facts.state(name_of(TWO), WorkerState.CLOSED)
        assert [account.name for account in pool.accounts()] == [name_of(ONE)]
        site.made[0].hold.set()
        assert (await asking)[0] == name_of(ONE)
        await facts.state(name_of(ONE), WorkerState.CLOSED)
        assert pool.accounts() == []
        assert await ask(pool, ONE) == name_of(ONE)
        assert len(site.made) == 3


async def test_a_new_token_takes_the_place_of_the_one_unused_for_longest(tmp_path: Path) -> None:
    async with pool_with(ScriptedSite(), tmp_path) as (pool, _):
        for token in (ONE, TWO, ONE, THREE):
            await ask(pool, token)
        assert {account.name for account in pool.accounts()} == {name_of(ONE), name_of(THREE)}


async def test_there_are_never_more_accounts_than_allowed(tmp_path: Path) -> None:
    site = ScriptedSite()
    async with pool_with(site, tmp_path) as (pool, facts):
        with pytest.raises(RequestError, match="at most 2"):
            await ask(pool, ONE, TWO, THREE)
        assert await ask(pool, ONE, ONE, ONE) == name_of(ONE)
        await ask(pool, TWO)
        for worker in site.made:
            worker.hold = asyncio.Event()
        asking = asyncio.gather(ask(pool, ONE), ask(pool, TWO))
        await facts.until(lambda: all(worker.running for worker in site.made))
        with pytest.raises(PoolFull, match="in use"):
            await ask(pool, THREE)
        for worker in site.made:
            assert worker.hold is not None
            worker.hold.set()
        await asking
        assert len(site.made) == 2


async def test_a_token_s_account_recovers_as_any_other(tmp_path: Path) -> None:
    site = ScriptedSite()
    async with pool_with(site, tmp_path) as (pool, _):
        await ask(pool, ONE)
        site.made[0].chat_fails = [BrowserError("crashed")]
        assert await ask(pool, ONE) == name_of(ONE)
        assert site.made[0].opens == 2


async def test_the_models_of_the_tokens_site_are_there_without_an_account(tmp_path: Path) -> None:
    async with pool_with(ScriptedSite(), tmp_path) as (pool, _):
        assert pool.models()[0].id == "deepseek-chat"
        assert pool.model("deepseek-chat-think").thinking


async def test_where_no_site_takes_tokens_none_is_taken(tmp_path: Path) -> None:
    async with pool_with(None, tmp_path, ScriptedWorker("own")) as (pool, _):
        with pytest.raises(RequestError, match=r"tokens\.enabled"):
            await ask(pool, ONE)
        with pytest.raises(RequestError, match=r"tokens\.enabled"):
            await pool.is_live(ONE)


class Driver(SiteDriver):
    """A site that cannot be signed in to by a token."""

    start_url = "https://chat.example.com"


@pytest.mark.parametrize("site", ["nothing", __name__])
def test_a_site_that_takes_no_tokens_is_a_mistake_in_the_settings(tmp_path: Path, site: str) -> None:
    settings = Settings(config=tmp_path, tokens=TokenSettings(enabled=True, site=site))
    with pytest.raises(SetupError, match=r"[Ss]ite"):
        TokenLogins(Chromium(settings.pages, Telemetry()), settings.pages, settings.tokens, Telemetry())


async def test_only_so_many_tokens_are_checked_at_a_time(tmp_path: Path) -> None:
    site = ScriptedSite(THREE)
    async with pool_with(site, tmp_path) as (pool, _):
        checks = asyncio.gather(*(pool.is_live(token) for token in (ONE, TWO, THREE, ONE, THREE)))
        asyncio.get_running_loop().call_later(0.05, site.gate.set)
        assert await checks == [True, True, False, True, False]
        assert (site.most_checking, len(site.checked)) == (2, 5)


async def test_a_token_whose_account_is_open_needs_no_check(tmp_path: Path) -> None:
    site = ScriptedSite(TWO)
    async with pool_with(site, tmp_path) as (pool, _):
        await ask(pool, ONE)
        with pytest.raises(TokenRefused):
            await ask(pool, TWO)
        assert [await pool.is_live(ONE), await pool.is_live(TWO)] == [True, False]
        assert site.checked == []
