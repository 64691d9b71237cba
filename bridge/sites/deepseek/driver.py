"""Drives the page of chat.deepseek.com: finds its controls in several ways, and operates them by mouse and keyboard.

The page may ignore Enter while it is still rendering. Nothing here waits for that to end, because every send is
checked at the gate: what was wrong or lost is repeated in the same chat.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib import parse

from playwright.async_api import Page
from playwright.async_api import TimeoutError as PlaywrightTimeout

from bridge.browser.page_messages import NO_DOCUMENT, PageRequest, Reply
from bridge.chat.types import Model
from bridge.errors import BridgeError, HumanNeeded, SendTimeout, SiteChanged
from bridge.sites.contract import ConversationGone, Decoder, SiteDriver, Turn
from bridge.sites.deepseek import request_check, switches
from bridge.sites.deepseek.conversation_menu import delete_conversation
from bridge.sites.deepseek.decoder import HISTORY, RESUME, DeepSeekDecoder
from bridge.sites.deepseek.file_upload import upload
from bridge.sites.deepseek.login_form import SIGN_IN_HOSTS, sign_in, token_state
from bridge.sites.deepseek.notices import is_generating, news, obstacle, refusal
from bridge.sites.deepseek.page import DeepSeekPage, Typing
from bridge.sites.deepseek.refusals import called_of, page_never_sends, refused_call
from bridge.sites.send_limits import CONVERSATION_LIMIT, GONE_AFTER, MOST_ENTERS, READY_SHARE

CONTEXT_LENGTH = 982_000
"""Tokens in one message; 700 more were refused in October 2026."""
PRESET = ("deepseek-v4-flash", "deepseek-v4-pro", "deepseek-v4.1-flash", "deepseek-v4.1-pro")
"""Model names of the site's paid API, which clients have as presets; the page has one model behind its switches."""

BASE = Model("deepseek", context_length=CONTEXT_LENGTH, files=True, vocabulary="deepseek")


class Driver(SiteDriver):
    """The driver of one page of chat.deepseek.com."""

    title = "DeepSeek"
    start_url = "https://chat.deepseek.com"
    answer_paths = (request_check.COMPLETION, *request_check.GOING_ON, *request_check.FOREIGN)
    call_paths = request_check.CALLS
    history_paths = (HISTORY,)
    models: ClassVar[tuple[Model, ...]] = (
        replace(BASE, id="deepseek-chat", aliases=PRESET),
        replace(BASE, id="deepseek-reasoner", thinking=True),
        BASE,
    )
    min_interval = 3.0
    grammar = (
        *("/completion", "chat_session_id", "parent_message_id", "thinking_enabled", "search_enabled"),
        *("APPEND", "BATCH", "THINK", "RESPONSE", "TOOL_SEARCH", "INCOMPLETE", "clear_response"),
    )
    hosts = ("*.deepseek.com", "*.awswaf.com", "*.hcaptcha.com", *SIGN_IN_HOSTS)
    prompt_limit = 2_621_440
    prompt_lines = 100_000  # the layout of a million takes a renderer 14 seconds and 3 GiB
    direction_changes = 20_000  # three seconds; 100,000 in one line take a renderer 100
    login_in_indexed_db = False
    private = "textarea, img[src^='blob:'], .ds-message, [data-virtual-list-item-key], a[href*='/s/']"

    def __init__(self, page: Page, url: str) -> None:
        super().__init__(page, url)
        self._check = request_check.CompletionCheck()
        self._decoder = DeepSeekDecoder()
        self._wrong: Sequence[str] = ()
        self._begun: str | None = None
        """The conversation that the page began for a request that was rejected only for its switches."""
        self._has_files = False
        """Whether the composer may still hold files that no prompt carried."""
        self._is_stale = False
        """Whether the document may still be processing an earlier turn, or has not loaded."""
        self._shown = DeepSeekPage(page, self.origin)
        self._switches = switches.Switches(self._shown)
        self._typing = Typing()

    async def ready(self) -> None:
        """Wait until the composer is there; raise the error for what the page shows in its place."""
        await self._shown.wait_for_site(self.limit * READY_SHARE * 1000)
        await self._state("state")

    async def open(self, turn: Turn) -> None:
        """Open the conversation, or an empty new chat, and set both switches."""
        if self._has_files or self._is_stale or self.page.url.startswith(NO_DOCUMENT):
            await self._load(self.url)
            self._has_files = False
        wrong, self._wrong = self._wrong, ()
        if late := switches.of(wrong):
            await self._switches.settle_down()
        place = self._begun or turn.conversation
        wanted = {"thinking": turn.thinking, "search": turn.search}
        prompt = None if wrong or turn.attachments else request_check.as_typed(turn.prompt) or None
        seen = await self._look(place, wanted, prompt)
        self._typing = Typing(seen["notices"], seen["typed"])
        if seen["typed"]:
            return
        if not seen["isThere"]:
            seen = await self._go_to(turn.conversation, wanted)
        if seen["otherModel"]:
            await self._shown.click("plainModel")
        is_set = seen["areSet"] and not late
        typed = None if is_set else await self._switches.set(wanted, late, seen["switches"], prompt)
        self._typing = Typing(seen["notices"], typed if prompt else None)

    async def attach(self, turn: Turn, limit: float) -> None:
        """Upload the files through the page's own input, and record the ids that the site assigns."""
        self._has_files = True
        self._check.uploaded = await upload(self._shown, turn, limit, self.says, self.may_act)

    async def submit(self, turn: Turn) -> bool:
        """Fill the composer in one step and press Enter, unless the page has already accepted the prompt."""
        typing = self._typing
        again = time.monotonic() > typing.pressed_at + GONE_AFTER
        seen, typing.typed = typing.typed, None
        seen = seen or await self._shown.ask("fill", request_check.as_typed(turn.prompt), typing.before, again)
        typing.before = typing.before or seen["last"]
        typing.taken = seen["did"] == "taken"
        said = news(seen["notices"], typing.old_notices)
        match seen["did"]:
            case "there" if typing.presses and (refused := refusal(said)):
                if is_generating(said):  # an abandoned answer; one on another device has no button here
                    with suppress(SiteChanged):
                        await self.stop()
                raise refused
            case "filled" | "there":
                await self._press(busy=is_generating(said))
            case "missing":
                await self.ready()
        return bool(seen["busy"])

    def refused(self, reply: Reply) -> BridgeError | None:
        """Return why the site refused one of the page's calls: by status, headers, and the codes in its JSON."""
        return super().refused(reply) or refused_call(reply, datetime.now(UTC))

    async def delete(self, conversation: str) -> None:
        """Delete the conversation through the menu of its row."""
        await self.ready()
        with suppress(ConversationGone):
            await delete_conversation(self._shown, conversation, self.open_old_conversation, self.may_act)

    async def why_not_sent(self, calls: Sequence[str], *, is_at_work: bool) -> BridgeError:
        """Return why the page sent no request that the gate knows, and what it called instead."""
        self._is_stale = True
        if is_at_work and not any(call.endswith("/completion") for call in calls):
            return await super().why_not_sent(calls, is_at_work=True)
        if self._typing.taken:
            message = (
                f"The page accepted the prompt, but sent no request to {request_check.COMPLETION}: {called_of(calls)}."
            )
            return SiteChanged(message, sent=True)
        if refused := refusal(await self.says(), also_unknown=self._typing.presses > 0):
            return refused
        return page_never_sends(calls, self._shown.found.get("send"), await self._shown.ask("covered"))

    def mismatches(self, turn: Turn, request: PageRequest) -> Sequence[str]:
        """Compare the page's request with the turn; one that continues must continue the turn's own answer."""
        reasons = self._check.differences(turn, request, self._decoder.number)
        self._wrong = reasons
        self._begun = (
            request_check.conversation_of(request) if turn.conversation is None and switches.of(reasons) else None
        )
        self._has_files = bool(reasons) and (self._has_files or self._check.saw_wrong_files)
        return reasons

    def conversation_of(self, request: PageRequest) -> str | None:
        """Return the conversation id in a request for an answer."""
        return request_check.conversation_of(request)

    async def go_on(self) -> bool:
        """Click Continue below an answer cut at its length limit."""
        try:
            await self._shown.wait_for("has", "goOn")
        except PlaywrightTimeout:
            return False
        return await self._shown.click("goOn")

    async def open_old_conversation(self, conversation: str) -> None:
        """Open a conversation: by its row in the sidebar, else by its address."""
        if not await self._shown.click("row", conversation):
            await self._load(f"{self.url}/a/chat/s/{parse.quote(conversation, safe='')}")
        try:
            await self._shown.wait_for("holds", conversation, limit=CONVERSATION_LIMIT)
        except PlaywrightTimeout as error:
            raise ConversationGone from error

    def resume_mismatches(self, conversation: str, request: PageRequest) -> Sequence[str]:
        """Accept only the request with which the page resumes an answer of the conversation."""
        resumes = request.path == RESUME and request_check.conversation_of(request) == conversation
        return () if resumes else ("it does not resume the old answer",)

    async def stop(self) -> None:
        """Click the send button, which stops while the site generates; an empty composer makes that safe."""
        await self._shown.ask("clear")
        await self._shown.click_required("send")

    def decoder(self) -> Decoder:
        """Return a new decoder, and forget what passed the gate for an earlier turn."""
        self._check, self._decoder = request_check.CompletionCheck(), DeepSeekDecoder()
        self._wrong, self._begun = (), None
        return self._decoder

    @classmethod
    def fresh_decoder(cls) -> Decoder:
        """Return a new decoder without a page."""
        return DeepSeekDecoder()

    @classmethod
    def token_state(cls, url: str, token: str) -> dict[str, Any]:
        """Return a storage state with the page's `userToken` in localStorage; it needs no cookie."""
        return token_state(url, token)

    async def sign_in(self, user: str, password: str) -> None:
        """Fill and submit the password form; the caller waits for the result."""
        self._typing = Typing(await self._shown.ask("notices"))
        await sign_in(self._shown, user, password, self.limit * READY_SHARE)

    async def says(self) -> Sequence[str]:
        """Return the messages that the page has shown since the last `open` or `sign_in`."""
        return news(await self._shown.ask("notices"), self._typing.old_notices)

    async def controls(self) -> Mapping[str, str]:
        """Return how each control was found; an empty text if it was not."""
        return dict(await self._shown.ask("controls"))

    async def _press(self, *, busy: bool) -> None:
        """Press Enter; after many presses without effect, alternate with clicks on the send button."""
        typing = self._typing
        typing.presses += 1
        if busy:  # the site still generates an abandoned answer
            await self.stop()
        elif typing.presses <= MOST_ENTERS or typing.presses % 3 or not await self._shown.click("send"):
            await self._shown.press("Enter")
        typing.pressed_at = time.monotonic()

    async def _state(self, question: str, *given: object) -> dict[str, Any]:
        """Return the answer to `question` once the page accepts a prompt; raise the error for what it shows instead."""
        try:
            state: dict[str, Any] = await self._shown.wait_for(question, *given, limit=self.limit * READY_SHARE * 1000)
        except PlaywrightTimeout as error:
            if await self._shown.ask("challenged"):
                raise HumanNeeded("The site asks for a human before it shows the chat.") from error
            if self.is_waiting():
                raise SendTimeout("The page is still loading: the site takes too long.") from error
            message = "The page's control 'composer' was not found"
            raise SiteChanged(f"{message}: {self._path()} shows neither one nor a sign-in form.") from error
        if state["is"] != "ready":
            raise obstacle(state)
        return state

    async def _look(
        self, conversation: str | None, wanted: Mapping[str, bool], prompt: str | None = None
    ) -> dict[str, Any]:
        """Return all that must be known before a prompt, and uncover the composer if something covers it.

        If everything is right already, a `prompt` is put into the composer by the same call; `typed` is its result.
        """
        seen = await self._state("look", conversation, wanted, self._switches.by, prompt)
        if seen["covered"]:
            await self._shown.uncover()
        return seen

    async def _go_to(self, conversation: str | None, wanted: Mapping[str, bool]) -> dict[str, Any]:
        """Open the conversation or an empty new chat, and return what the page shows then."""
        if conversation is None:
            await self._new_chat()
        else:
            await self.open_old_conversation(conversation)
        return await self._look(conversation, wanted)

    async def _new_chat(self) -> None:
        """Click New chat and verify that the chat is empty; load the start page if it is not."""
        with suppress(PlaywrightTimeout):
            if await self._shown.click("newChat"):
                await self._shown.wait_for("isEmpty")
                return
        await self._load(self.url)
        await self.ready()
        if not await self._shown.ask("isEmpty"):
            raise SiteChanged(f"A new chat is not empty: the page went to {self._path()}.")

    async def _load(self, address: str) -> None:
        """Load a document; if that fails, the next turn loads it again."""
        self._is_stale = True
        await self._shown.load(address)
        self._is_stale = False

    def _path(self) -> str:
        return parse.urlsplit(self.page.url).path
