"""The parts of the live view that need no browser: the address line, what viewers send, and what they are sent."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.browser.browser import Chromium
from bridge.chat.operator_visit import Visit
from bridge.chat.viewer_channel import ViewerRefused
from bridge.errors import PoolError, RequestError
from bridge.liveview.address_line import target
from bridge.liveview.key_events import event_of
from bridge.liveview.screencast import Frame
from bridge.liveview.view import View
from bridge.liveview.view_registry import ViewRegistry
from bridge.liveview.viewer import Viewer
from bridge.liveview.viewer_messages import KeyPress, Typed, parse
from bridge.liveview.viewer_outbox import HEAD, UNSEEN, Outbox
from bridge.pool.pool import Pool
from bridge.settings import Settings
from bridge.storage.profile_key import Identity
from bridge.storage.profiles import ProfileStore
from bridge.telemetry import Telemetry
from tests.support.waiting import LIMIT, settle, until

IDLE = 0.2
"""Seconds after which a view takes the controls from who does nothing."""
SITE, HOSTS = "https://chat.example.com", ("*.example.com", "accounts.other.net")


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("/a/chat?x=1", "https://chat.example.com/a/chat?x=1"),
        ("https://chat.example.com/x", "https://chat.example.com/x"),
        ("chat.example.com", "https://chat.example.com"),
        ("accounts.other.net/login", "https://accounts.other.net/login"),
        ("  https://a.example.com ", "https://a.example.com"),
    ],
)
def test_the_address_line_leads_to_the_site_and_what_its_login_needs(given: str, url: str) -> None:
    assert target(given, SITE, HOSTS) == url


@pytest.mark.parametrize(
    "given",
    [
        *("javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "file:///etc/passwd", "about:blank"),
        *("chrome://version", "blob:https://chat.example.com/1", "view-source:https://chat.example.com", "", " "),
        *("https://elsewhere.org", "https://example.com.evil.org", "https://chat.example.com@evil.org/"),
        *("https://user:pass@chat.example.com/", "http://accounts.other.net", "//evil.org", "/\\evil.org"),
        *("https://chat.example.com:8443/", "https://evil.org#https://chat.example.com", "java\nscript:alert(1)"),
        *("http://127.0.0.1:8000/", "https://[::1", "ftp://chat.example.com"),
    ],
)
def test_the_address_line_refuses_all_else(given: str) -> None:
    with pytest.raises(RequestError):
        target(given, SITE, HOSTS)


def test_a_site_without_tls_is_reached_at_its_own_address_alone() -> None:
    assert target("127.0.0.1:8080/x", "http://127.0.0.1:8080", ()) == "http://127.0.0.1:8080/x"
    with pytest.raises(RequestError):
        target("http://127.0.0.1:8081/", "http://127.0.0.1:8080", ())


def pressed(key: str, code: str = "", mods: int = 0, **more: object) -> dict[str, object]:
    return event_of(
        KeyPress.model_validate({"type": "key", "kind": "down", "key": key, "code": code, "mods": mods} | more)
    )


def test_keys_say_what_a_keyboard_would_say() -> None:
    assert pressed("a", "KeyA") == {
        "type": "keyDown",
        "modifiers": 0,
        "key": "a",
        "code": "KeyA",
        "windowsVirtualKeyCode": 65,
        "autoRepeat": False,
        "location": 0,
        "isKeypad": False,
        "text": "a",
        "unmodifiedText": "a",
    }
    assert pressed("é", "Digit2")["text"] == "é"
    assert pressed("Enter", "Enter")["text"] == "\r"
    assert pressed("Backspace", "Backspace", repeat=True)["autoRepeat"]
    assert (pressed("a", "KeyA", 2)["type"], pressed("a", "KeyA", 2)["commands"]) == ("rawKeyDown", ["selectAll"])
    assert "text" not in pressed("Tab", "Tab")
    assert (pressed("7", "Numpad7", location=3)["windowsVirtualKeyCode"], pressed("ж")["windowsVirtualKeyCode"]) == (
        103,
        0,
    )


@pytest.mark.parametrize(
    "message",
    [
        *("", "x", "[]", "{}", '{"type":"nothing"}', '{"type":"mouse","kind":"down","x":"1","y":1}'),
        '{"type":"mouse","kind":"move","x":1e999,"y":1}',
        '{"type":"mouse","kind":"move","x":1,"y":1,"more":1}',
        '{"type":"key","kind":"down","key":""}',
        json.dumps({"type": "text", "text": "x" * 100_001}),
        json.dumps({"type": "upload", "id": "1", "files": [{"name": "a", "size": -1}]}),
    ],
)
def test_what_is_no_message_ends_the_connection(message: str) -> None:
    with pytest.raises(ViewerRefused):
        parse(message)


def test_an_error_holds_nothing_of_what_was_typed() -> None:
    secret = "hunter2"
    with pytest.raises(ViewerRefused) as refused:
        parse(json.dumps({"type": "text", "text": [secret]}))
    assert secret not in str(refused.value)
    with pytest.raises(ViewerRefused) as refused:
        parse(json.dumps({"type": secret}))
    assert secret not in str(refused.value)
    assert isinstance(parse(json.dumps({"type": "text", "text": secret})), Typed)


async def test_a_slow_viewer_gets_the_newest_picture_and_none_of_those_before() -> None:
    outbox = Outbox()
    for number in range(100):
        outbox.show(Frame(str(number).encode(), 1280, 800))
        if number < UNSEEN:
            assert await outbox.next() == HEAD.pack(number + 1, 1280, 800) + str(number).encode()
    assert not outbox.has_room
    outbox.drawn(1)
    assert await outbox.next() == HEAD.pack(UNSEEN + 1, 1280, 800) + b"99"


async def test_what_is_said_comes_before_pictures_and_the_last_state_is_enough() -> None:
    outbox = Outbox()
    outbox.show(Frame(b"jpeg", 1, 1))
    outbox.send("notice", text="Hello")
    for number in range(3):
        outbox.state({"number": number})
    outbox.end(ViewerRefused("over"))
    assert json.loads(await outbox.next()) == {"type": "state", "number": 2}
    assert json.loads(await outbox.next()) == {"type": "notice", "text": "Hello"}
    assert isinstance(await outbox.next(), bytes)
    with pytest.raises(ViewerRefused, match="over"):
        await outbox.next()


class EmptyStage:
    """An account without an open page, which whoever asks may have."""

    session = None

    def about(self) -> dict[str, object]:
        return {"kind": "account", "name": "a", "state": "starting", "reason": ""}

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[Visit]:
        yield Visit()


async def test_controls_that_are_taken_and_given_back_in_one_breath_are_nobody_s() -> None:
    view = View(EmptyStage(), lambda _: None)
    async with view.join("me") as viewer, asyncio.timeout(LIMIT):
        await viewer.receive('{"type": "take"}')
        await viewer.receive('{"type": "leave"}')
        await until(lambda: view.holder is None)
    await view.close(ViewerRefused(""))


class SlowStage(EmptyStage):
    """The same, but it takes the page back only when `returns` is set."""

    def __init__(self) -> None:
        self.returns = asyncio.Event()
        self.begun: list[Visit] = []
        self.ended = 0

    @asynccontextmanager
    async def held(self) -> AsyncGenerator[Visit]:
        self.begun.append(Visit())
        try:
            yield self.begun[-1]
        finally:
            await self.returns.wait()
            self.ended += 1


async def held_by(view: View, viewer: Viewer) -> None:
    """Return when the page is that viewer's."""
    await until(lambda: view.holder is viewer and view.visit is not None)


async def test_what_a_person_does_reaches_no_page_whose_account_is_another_nodes_by_now() -> None:
    stage = SlowStage()
    stage.returns.set()
    view = View(stage, lambda _: None)
    async with view.join("me") as mine, asyncio.timeout(LIMIT):
        await mine.receive('{"type": "take"}')
        await held_by(view, mine)
        view._active_at = 0.0
        stage.begun[0].may_act = lambda: False
        await mine.receive('{"type": "text", "text": "Hello"}')
        assert view._active_at == 0.0
        stage.begun[0].may_act = lambda: True
        await mine.receive('{"type": "text", "text": "Hello"}')
        assert view._active_at > 0.0
    await view.close(ViewerRefused(""))


@pytest.mark.parametrize("force", ["true", "false"])
@pytest.mark.parametrize("way", ["left", "solved"])
@pytest.mark.parametrize("taker", ["other", "me"])
async def test_who_takes_the_controls_while_the_page_is_given_back_has_it_next_and_keeps_it(
    way: str, force: str, taker: str
) -> None:
    stage = SlowStage()
    view = View(stage, lambda _: None)
    async with view.join("me") as mine, view.join("other") as other, asyncio.timeout(LIMIT):
        await mine.receive('{"type": "take"}')
        await held_by(view, mine)
        if way == "left":
            await mine.receive('{"type": "leave"}')
        else:
            stage.begun[0].end()
        await until(lambda: view.visit is None)
        next_one = mine if taker == "me" else other
        await next_one.receive(f'{{"type": "take", "force": {force}}}')
        assert view.visit is None  # the page is not theirs yet
        stage.returns.set()
        await held_by(view, next_one)
        assert (len(stage.begun), stage.ended) == (2, 1)
        await next_one.receive('{"type": "leave"}')
        await until(lambda: stage.ended == 2)
        assert view.holder is None
    await view.close(ViewerRefused(""))


async def test_who_does_nothing_loses_the_controls_is_told_so_and_the_account_goes_on() -> None:
    stage = SlowStage()
    stage.returns.set()
    view = View(stage, lambda _: None, IDLE)
    async with view.join("me") as mine, asyncio.timeout(LIMIT):
        await mine.receive('{"type": "take"}')
        await held_by(view, mine)
        await mine.receive('{"type": "mouse", "kind": "move", "x": 1, "y": 1}')
        await until(lambda: stage.ended == 1)
        assert time.monotonic() >= view._active_at + IDLE
        assert view.holder is None
        told = ""
        while "The controls were released" not in told:
            told = str(await mine.outbox.next())
        assert json.loads(told)["type"] == "notice"
        await mine.receive('{"type": "take"}')
        await held_by(view, mine)
    await view.close(ViewerRefused(""))


async def test_a_view_that_all_have_left_stays_until_the_page_is_given_back() -> None:
    stage, deserted = SlowStage(), asyncio.Event()
    view = View(stage, lambda _: deserted.set())
    async with asyncio.timeout(LIMIT):
        async with view.join("me") as viewer:
            await viewer.receive('{"type": "take"}')
            await held_by(view, viewer)
            await viewer.receive('{"type": "leave"}')
        await settle()
        assert not deserted.is_set()
        stage.returns.set()
        await deserted.wait()
    await view.close(ViewerRefused(""))


async def test_while_the_bridge_stops_no_view_is_opened_again_and_no_login_begun(tmp_path: Path) -> None:
    settings = Settings(config=tmp_path, profiles=tmp_path)
    chromium, store = Chromium(settings.pages, Telemetry()), ProfileStore(tmp_path, Identity.generate())
    async with Pool([], settings, Telemetry()) as pool:
        views = ViewRegistry(pool, chromium, settings.pages, store, pool.add)
        await views.close()
        for viewer in (views.of_account("a", "me"), views.of_login("a", "me")):
            with pytest.raises(PoolError, match="stopping"):
                await viewer.__aenter__()
        with pytest.raises(PoolError, match="stopping"):
            await views.log_in("a", "deepseek", None)
        assert views.logins() == []


async def test_a_login_that_is_given_up_before_it_has_begun_is_over(tmp_path: Path) -> None:
    settings = Settings(config=tmp_path, profiles=tmp_path)
    chromium, store = Chromium(settings.pages, Telemetry()), ProfileStore(tmp_path, Identity.generate())
    async with Pool([], settings, Telemetry()) as pool:
        views = ViewRegistry(pool, chromium, settings.pages, store, pool.add)
        begun = await views.log_in("a", "deepseek", None)
        assert (await views.give_up(begun.id)).state == "failed"
        again = await views.log_in("a", "deepseek", None)
        assert again.id != begun.id
        await views.close()
