"""UserTokens in place of a key, through the real page: whose account answers, and what is left behind."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Generator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from loguru import logger

from bridge import log
from bridge.browser.browser import Chromium
from bridge.demo import DemoSite
from bridge.settings import LogSettings, TokenSettings
from tests.support.live import QUICK_SITE, Live, directive, served
from tests.support.openai_schema import checked
from tests.support.stress import stress
from tests.worker.test_conversations_live import Messages, chat, user

DEAD = "0123456789abcdef" * 4
HI = directive(text="Hello")


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> AsyncIterator[Live]:
    """A bridge with a login of alice; the others bring their tokens along."""
    async with DemoSite(replace(QUICK_SITE, accounts=("alice", "bob", "carol", "dave"))) as site:
        tokens = TokenSettings(enabled=True, url=site.url)
        async with served(tmp_path_factory.mktemp("tokens"), site, chromium, own=["alice"], tokens=tokens) as run:
            yield run


@pytest.fixture
async def run(shared: Live) -> Live:
    for account in shared.site.accounts:
        account.clear_fault()
        account.turns.clear()
    return shared


@pytest.fixture
def _log_as_before() -> Generator[None]:
    yield
    logger.remove()
    logger.add(sys.stderr)


def by(run: Live, *tokens: str) -> Live:
    """Return the same bridge for a client that brings these tokens."""
    return replace(run, client=run.client.with_options(api_key=",".join(tokens)))


def token_of(run: Live, name: str) -> str:
    """Return a token by which the account is signed in, the same as before if there is one: its page may be open."""
    return run.account(name).token or run.account(name).sign_in()[0]


def files_in(folder: Path) -> dict[Path, bytes]:
    found: dict[Path, bytes] = {}
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # a draft that was renamed to its file meanwhile
            found |= {file: file.read_bytes()} if file.is_file() else {}
    return found


async def is_live(run: Live, token: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {run.key}"}
    async with (
        aiohttp.ClientSession(run.bridge.url, headers=headers, trace_configs=[checked()]) as http,
        http.post("/token/check", json={"token": token}) as response,
    ):
        return response.status, (await response.json()).get("live")


async def test_a_token_is_answered_by_its_own_account_and_stored_nowhere(run: Live) -> None:
    token = token_of(run, "bob")
    assert await by(run, token).ask(HI) == "Hello"
    chunks = [chunk async for chunk in await by(run, token).stream(HI)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello"
    assert await run.ask(HI) == "Hello"
    assert [len(run.account(name).turns) for name in ("alice", "bob", "carol")] == [1, 2, 0]
    files = files_in(run.settings.config.parent)
    assert [file for file, content in files.items() if token.encode() in content] == []
    assert [file.stem for file in files if file.suffix == ".age"] == ["alice"]


async def test_several_tokens_share_the_chats_of_their_client(run: Live) -> None:
    both = token_of(run, "bob"), token_of(run, "carol")
    for token in both:
        await by(run, token).ask(HI)  # the page of each is open then
    for _ in range(3):
        await by(run, *both).ask(HI)
    counts = {name: len(run.account(name).turns) for name in ("alice", "bob", "carol")}
    assert counts["alice"] == 0
    assert min(counts["bob"], counts["carol"]) >= 2
    assert sum(counts.values()) == 5


@pytest.mark.parametrize("stream", [False, *stress(True)])
async def test_a_dead_token_is_refused_by_its_last_characters_alone(run: Live, stream: bool) -> None:
    dead = f"{'ab' if stream else 'ba'}{DEAD}"
    for _ in range(2):
        with pytest.raises(openai.AuthenticationError) as caught:
            await (by(run, dead).stream(HI) if stream else by(run, dead).ask(HI))
        assert caught.value.code == "invalid_user_token"
        assert "ends in 'cdef'" in caught.value.message
        assert caught.value.response.headers["www-authenticate"] == "Bearer"
        assert DEAD[-5:] not in caught.value.message
        assert "alice" not in caught.value.message
    assert [account.turns for account in run.site.accounts] == [[], [], [], []]


async def test_a_token_that_dies_is_refused_from_then_on(run: Live) -> None:
    token = token_of(run, "bob")
    assert await by(run, token).ask(HI) == "Hello"
    run.account("bob").sign_out(token)
    for _ in range(2):
        with pytest.raises(openai.AuthenticationError):
            await by(run, token).ask(HI)
    assert await by(run, token_of(run, "bob")).ask(HI) == "Hello"


async def test_a_check_tells_a_living_token_from_a_dead_one_and_sends_nothing(run: Live) -> None:
    before = [len(account.pages) for account in run.site.accounts]
    token = token_of(run, "dave")
    assert [await is_live(run, token), await is_live(run, DEAD)] == [(200, True), (200, False)]
    run.account("dave").fault("muted", seconds=600)
    assert await is_live(run, token) == (200, True)
    run.account("dave").sign_out(token)
    assert await is_live(run, token) == (200, False)
    assert [account.turns for account in run.site.accounts] == [[], [], [], []]
    assert [len(account.pages) for account in run.site.accounts] == before


async def test_no_token_goes_on_in_the_conversation_of_another_one(run: Live) -> None:
    bob, carol = by(run, token_of(run, "bob")), by(run, token_of(run, "carol"))
    first: Messages = [user(f"My secret is 42. {directive(text='I see.')}")]
    answer = await chat(bob, first)
    history = [*first, {"role": "assistant", "content": "I see."}, user(f"Which one? {directive(text='42')}")]
    for other in (carol, run):
        with pytest.raises(openai.NotFoundError, match="No account here has that conversation"):
            await chat(other, history[-1:], extra_body={"conversation_id": answer.id})
        await chat(other, history)
    for name in ("carol", "alice"):
        (turn,) = run.account(name).turns
        assert (turn.parent, "My secret is 42." in turn.prompt) == (None, True)
    await chat(bob, history)
    assert run.account("bob").turns[-1].prompt == history[-1]["content"]


@pytest.mark.usefixtures("_log_as_before")
async def test_no_token_is_ever_logged(run: Live, capfd: pytest.CaptureFixture[str]) -> None:
    log.set_up(LogSettings(level="TRACE", json_lines=True))
    token, one, two = run.account("bob").sign_in()[0], f"one{DEAD}", f"two{DEAD[::-1]}"
    assert await by(run, token).ask(HI) == "Hello"
    for dead in (one, f"{one},{two}"):
        with pytest.raises(openai.AuthenticationError) as caught:
            await by(run, dead).ask(HI)
        assert all(f"'{each[-4:]}'" in caught.value.message for each in dead.split(","))
    assert [await is_live(run, each) for each in (token_of(run, "carol"), two)] == [(200, True), (200, False)]
    run.account("bob").sign_out(token)
    with pytest.raises(openai.AuthenticationError):
        await by(run, token).ask(HI)
    written = "".join(capfd.readouterr())
    assert '"fact": "ChatEnded"' in written
    secrets = [token, one, two, *run.account("carol").tokens]
    assert [secret for secret in secrets if secret in written or secret[:16] in written] == []
