"""The hands for chat.deepseek.com: finds the page's controls in several ways, and works them as a person does.

The page may ignore Enter while it is being built and its switches settle late; nothing here waits for that to be
over, because every send is judged at the gate: what was wrong or lost is simply done again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlsplit

from playwright.async_api import ElementHandle, Page
from playwright.async_api import TimeoutError as PlaywrightTimeout

from bridge.chat import Model
from bridge.errors import HumanNeeded, LoginRequired, Muted, SiteChanged
from bridge.sites.base import ConversationGone, Decoder, PageRequest, SiteDriver, Turn
from bridge.sites.deepseek_stream import DeepSeekDecoder

PAGE = files("bridge.sites").joinpath("deepseek.js").read_text("utf-8").rstrip().rstrip(";")
COMPLETION = "/api/v0/chat/completion"
GOING_ON = ("/api/v0/chat/continue", "/api/v0/chat/resume_stream")
READY_LIMIT = 25_000
"""Milliseconds until the page shows something we know; below the worker's own limit, to say more than `timeout`."""
CONVERSATION_LIMIT = 8_000
"""Milliseconds until an old conversation shows its messages."""
QUICK = 2_000
"""Milliseconds that a page in working order takes for a click and its effect."""
SETTLED = 1_600
"""Milliseconds after which the switches show what they mean; waited for only after the gate found one wrong."""
SWITCHES = {"thinking": "DeepThink", "search": "Search"}


class Driver(SiteDriver):
    """Drives one page of chat.deepseek.com."""

    start_url = "https://chat.deepseek.com"
    answer_paths = (COMPLETION, *GOING_ON, "/api/v0/chat/edit_message", "/api/v0/chat/regenerate")
    models = (
        Model("deepseek-chat"),
        Model("deepseek-reasoner", thinking=True),
        Model("deepseek"),
    )
    min_interval = 3.0
    login_in_indexed_db = False

    def __init__(self, page: Page, url: str) -> None:
        super().__init__(page, url)
        self._was_wrong = False
        self._before: str | None = None

    async def ready(self) -> None:
        """Wait until the composer is there; raise what the page shows instead of it."""
        try:
            shown = await self.page.wait_for_function(f"() => {PAGE}.state()", timeout=READY_LIMIT)
        except PlaywrightTimeout as error:
            if await self._ask("challenged()"):
                raise HumanNeeded("The site asks for a human before it shows the chat.") from error
            raise SiteChanged(f"The page at {self._path()} shows neither a composer nor a sign-in form.") from error
        state: dict[str, Any] = await shown.json_value()
        match state["is"]:
            case "signed out":
                raise LoginRequired("The account is signed out; run `bridge login` for it.")
            case "muted":
                until = datetime.fromtimestamp(state["until"], UTC) if state["until"] else None
                raise Muted(f"The site has muted the account: {state['text'][:200]}", until=until)

    async def open(self, turn: Turn) -> None:
        """Bring up the conversation, or an empty new chat, and set both switches."""
        await self.ready()
        if turn.conversation is not None:
            await self._open_conversation(turn.conversation)
        elif not await self._ask("isEmpty()"):
            await self._new_chat()
        careful, self._was_wrong = self._was_wrong, False
        if careful:
            await self.page.wait_for_timeout(SETTLED)
        for name, wanted in (("thinking", turn.thinking), ("search", turn.search)):
            await self._switch(name, wanted, as_shown=careful)
        self._before = None

    async def submit(self, turn: Turn) -> None:
        """Fill the composer in one go and press Enter; a page that has taken the prompt already is left alone."""
        given = [_as_typed(turn.prompt), self._before]
        did, last = await self.page.evaluate(f"([prompt, before]) => {PAGE}.fill(prompt, before)", given)
        self._before = self._before or last
        match did:
            case "filled":
                await self.page.keyboard.press("Enter")
            case "missing":
                await self.ready()

    def mismatches(self, turn: Turn, request: PageRequest) -> Sequence[str]:
        """Compare the body of the page's completion request with the turn."""
        path = urlsplit(request.url).path
        if path in GOING_ON:
            return ()
        if path != COMPLETION:
            return (f"an unexpected request to {path}",)
        try:
            body: Any = json.loads(request.body)
        except ValueError:
            return ("its body is not JSON",)
        if not isinstance(body, dict):
            return ("its body is not an object",)
        reasons = [f"its {name} {problem}" for name, problem in _differences(turn, body)]
        self._was_wrong = bool(reasons)
        return reasons

    def conversation_of(self, request: PageRequest) -> str | None:
        """Read the conversation's id out of a completion request."""
        try:
            found = json.loads(request.body)["chat_session_id"]
        except (ValueError, LookupError, TypeError):
            return None
        return found if isinstance(found, str) else None

    async def stop(self) -> None:
        """Click the element that is the stop button while the site generates; with an empty composer it is safe."""
        await self._ask("clear()")
        await (await self._control("send")).click(timeout=QUICK)

    def decoder(self) -> Decoder:
        """Return a fresh ear."""
        return DeepSeekDecoder()

    async def sign_in(self, user: str, password: str) -> None:
        """Fill the password form and send it; the caller waits for what comes of it."""
        form = self.page.locator("input[type=password]")
        by_password = self.page.get_by_role("button", name=re.compile("密码登录|password", re.IGNORECASE))
        await form.or_(by_password).first.wait_for(timeout=READY_LIMIT)
        if not await form.count():
            await by_password.first.click()
        name = self.page.locator("input[autocomplete=username], input[type=text], input[type=email]").first
        await name.fill(user)
        await form.first.fill(password)
        await self.page.get_by_role("button", name=re.compile(r"^\s*(log\s*in|sign\s*in|登录)\s*$", re.I)).first.click()

    async def controls(self) -> Mapping[str, str]:
        """Return by what each control was found; an empty text for one that was not."""
        found: Mapping[str, str] = await self._ask("controls()")
        return found

    async def _open_conversation(self, id: str) -> None:  # noqa: A002
        """Go to a conversation: by its row in the sidebar, else by its address."""
        if not await self._ask(f"holds({json.dumps(id)})"):
            row = await self._find(f"row({json.dumps(id)})")
            if row is not None:
                await row.click(timeout=QUICK)
            else:
                await self.page.goto(f"{self.url}/a/chat/s/{quote(id, safe='')}", wait_until="domcontentloaded")
        try:
            await self.page.wait_for_function(f"() => {PAGE}.holds({json.dumps(id)})", timeout=CONVERSATION_LIMIT)
        except PlaywrightTimeout as error:
            raise ConversationGone from error

    async def _new_chat(self) -> None:
        """Click New chat as a person does, prove that the chat is empty, and load the start page if it is not."""
        if button := await self._find("newChat"):
            try:
                await button.click(timeout=QUICK)
                await self.page.wait_for_function(f"() => {PAGE}.isEmpty()", timeout=QUICK)
            except PlaywrightTimeout:
                pass
            else:
                return
        await self.page.goto(self.url, wait_until="domcontentloaded")
        await self.ready()
        if not await self._ask("isEmpty()"):
            raise SiteChanged(f"A new chat is not empty: the page went to {self._path()}.")

    async def _switch(self, name: str, wanted: bool, *, as_shown: bool) -> None:
        """Bring a switch into the wanted position; one that is missing matters only if it is to be on."""
        is_on = await self._ask(f"isOn({name!r}, {json.dumps(as_shown)})")
        if is_on is None and wanted:
            raise SiteChanged(f"The page has no switch for {SWITCHES[name]}.")
        if is_on is not None and is_on != wanted:
            await (await self._control(name)).click(timeout=QUICK)

    async def _control(self, name: str) -> ElementHandle:
        element = await self._find(name)
        if element is None:
            raise SiteChanged(f"The page's control '{name}' was not found.")
        return element

    async def _find(self, name: str) -> ElementHandle | None:
        call = name if name.endswith(")") else f"{name}()"
        handle = await self.page.evaluate_handle(f"() => {PAGE}.{call}")
        return handle.as_element()

    async def _ask(self, call: str) -> Any:
        return await self.page.evaluate(f"() => {PAGE}.{call}")

    def _path(self) -> str:
        return urlsplit(self.page.url).path


def _differences(turn: Turn, body: dict[str, Any]) -> list[tuple[str, str]]:
    """Return field and problem; texts are never part of a problem."""
    found: list[tuple[str, str]] = []
    prompt = body.get("prompt")
    if not isinstance(prompt, str):
        found.append(("prompt", "is missing"))
    elif _as_typed(prompt).strip() != _as_typed(turn.prompt).strip():
        found.append(("prompt", f"is another one ({len(prompt)} characters instead of {len(turn.prompt)})"))
    for name, wanted in (("thinking_enabled", turn.thinking), ("search_enabled", turn.search)):
        if body.get(name) is not wanted:
            found.append((name, f"is {body.get(name)!r} instead of {wanted!r}"))
    parent = body.get("parent_message_id")
    if turn.conversation is None and parent is not None:
        found.append(("parent_message_id", "belongs to an old conversation"))
    if turn.conversation is not None and body.get("chat_session_id") != turn.conversation:
        found.append(("chat_session_id", "is another conversation"))
    if turn.parent is not None and str(parent) != turn.parent:
        found.append(("parent_message_id", f"is {parent!r} instead of {turn.parent}"))
    return found


def _as_typed(prompt: str) -> str:
    """Return the text as a text box holds it: every line break is a newline."""
    return prompt.replace("\r\n", "\n").replace("\r", "\n")
