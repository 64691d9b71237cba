"""Drives the page of a site that is described by a site file, for which `driver_of` makes a driver.

The page may ignore keys and clicks while it is still rendering. Nothing here waits for that to end, because every send
is checked at the gate: what was wrong or lost is repeated in the same chat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from playwright.async_api import Page

from bridge.browser.page_messages import NO_DOCUMENT, SOCKET, PageRequest, Reply, RequestRole
from bridge.chat.types import Model
from bridge.errors import BridgeError
from bridge.printable import as_line
from bridge.sites.contract import ConversationGone, Decoder, SiteDriver, Turn
from bridge.sites.drift import MovedControl
from bridge.sites.prompt_text import as_typed
from bridge.sites.send_limits import READY_SHARE
from bridge.sites.site_file.chat_page import ChatPage
from bridge.sites.site_file.composer_send import ComposerSend
from bridge.sites.site_file.form_login import sign_in, token_state
from bridge.sites.site_file.moved_controls import MovedControls
from bridge.sites.site_file.page_elements import LONGEST_TEXT, PageElements
from bridge.sites.site_file.page_lock import PageLock
from bridge.sites.site_file.page_model_menu import PageModelMenu
from bridge.sites.site_file.page_signs import PageSigns, paths_of
from bridge.sites.site_file.page_switches import PageSwitch
from bridge.sites.site_file.page_upload import FileCalls, PageUpload
from bridge.sites.site_file.prompt_check import PromptCheck
from bridge.sites.site_file.rule_decoder import AnswerRules, RuleDecoder
from bridge.sites.site_file.schema import SiteFile, SiteModel
from bridge.sites.site_file.unsent_prompt import UnsentPrompt

LONGEST_PROMPT = 4_000_000
"""The longest prompt, in UTF-16 units, for a page whose file names no limit: a much longer one takes more memory and
time than a page may use."""


class DataDriver(SiteDriver):
    """The driver of one page of the site that `site` describes; each subclass is one site."""

    site: ClassVar[SiteFile]
    answer_rules: ClassVar[AnswerRules]

    def __init__(self, page: Page, url: str) -> None:
        super().__init__(page, url)
        self._elements = PageElements(page, self.origin)
        self._signs = PageSigns(self._elements, self.watched_paths)
        self._moved = MovedControls(self._elements, self.site.composer, self.drift)
        self._chat = ChatPage(self._elements, self.site, self.url, self._signs, self._moved)
        self._composer = ComposerSend(self._elements, self.site.composer, self._moved)
        self._check = PromptCheck(self.site)
        self._switches = {
            name: PageSwitch(self._elements, name, switch, self._moved)
            for name, switch in (("thinking", self.site.thinking), ("search", self.site.search))
            if switch is not None
        }
        self._unsent = UnsentPrompt(self._elements, self.site, self._signs, self._chat.login)
        self._file_calls = FileCalls(self.site)
        self._lock = PageLock(self._composer, self.drift)
        self._is_stale = False
        """Whether the document may still be processing an earlier turn."""
        self._has_files = False
        """Whether the composer may still hold files that no prompt carried."""

    def on_reply(self, reply: Reply) -> None:
        """Record the reply to one of the page's own calls, which may show the login or the state of a file."""
        self._signs.take(reply)
        self._file_calls.take(reply)

    def on_dialog(self, text: str) -> None:
        """Record the text of a JavaScript dialog."""
        self._unsent.dialogs.append(as_line(text[:LONGEST_TEXT]))

    async def ready(self) -> None:
        """Wait until the composer is there and the page is signed in; raise the error for what it shows instead."""
        self._chat.is_waiting, self._chat.is_loading = self.is_waiting, self.is_loading
        await self._chat.ready(self._limit)

    async def open(self, turn: Turn) -> None:
        """Open the conversation, or an empty new chat, choose the model, and set the switches."""
        is_locked = False
        is_used = self._is_stale or self._has_files or self.page.url.startswith(NO_DOCUMENT)
        if is_used or (is_locked := await self._lock.is_locked()):
            await self._chat.load(self._chat.address.new_chat)
            self._is_stale = self._has_files = False
        await self.ready()
        if is_locked:
            await self._lock.judge_empty_chat()
        await self._chat.open(turn.conversation, self._limit)
        if await self._choose_model(turn.model):  # on some pages that leaves the chat
            await self.ready()
            await self._chat.open(turn.conversation, self._limit)
        for name, switch in self._switches.items():
            await switch.set(bool(getattr(turn, name)))
        self._composer.begin(await self._unsent.begun())

    async def attach(self, turn: Turn, limit: float) -> None:
        """Upload the files through the page's own input, and wait until the page has read them."""
        if self.site.upload is None:
            await super().attach(turn, limit)
            return
        self._has_files = True
        upload = PageUpload(self._elements, self.site.upload, self._file_calls, self.has_open_commands, self.may_act)
        await upload.attach(turn.attachments, limit, self.says)

    async def submit(self, turn: Turn) -> bool:
        """Put the prompt into the composer and press send, unless the page has accepted the prompt already."""
        await self._chat.dialogs.close()
        if refusal := await self._unsent.refusal(self._composer.sending):
            raise refusal
        return await self._composer.submit(as_typed(turn.prompt))

    def refused(self, reply: Reply) -> BridgeError | None:
        """Return why a prompt cannot be sent, if the reply to one of the page's calls says so."""
        return super().refused(reply) or self._unsent.refused_call(reply)

    def role_of(self, request: PageRequest) -> RequestRole:
        """Distinguish the prompt from the page's other requests to the same address."""
        return self._check.role_of(request)

    def mismatches(self, turn: Turn, request: PageRequest) -> Sequence[str]:
        """Compare the page's request with the turn."""
        reasons = self._check.differences(turn, request, self._model_of(turn))
        self._has_files = self._has_files and bool(reasons)
        return reasons

    def conversation_of(self, request: PageRequest) -> str | None:
        """Return the conversation id in a request, once the site has assigned one."""
        return self._check.conversation_of(request)

    async def stop(self) -> None:
        """Press the page's stop button; if there is none, load a new chat, which ends the response."""
        if not await self._composer.stop():
            await self._chat.load(self._chat.address.new_chat)

    async def is_generating(self) -> bool | None:
        """Tell whether the page shows that the site is answering; None if the site file names no sign of that."""
        return await self._composer.is_busy() if self._composer.shows_work else None

    def decoder(self) -> Decoder:
        """Return a new decoder for one turn."""
        return self.fresh_decoder()

    @classmethod
    def fresh_decoder(cls) -> Decoder:
        """Return a new decoder by the rules of the site file."""
        return RuleDecoder(cls.answer_rules)

    async def go_on(self) -> bool:
        """Press the button that continues an answer."""
        return await self._elements.click(self.site.composer.continue_button)

    async def open_old_conversation(self, conversation: str) -> None:
        """Load a conversation by its address."""
        await self._chat.go_to(conversation, self._limit)

    async def delete(self, conversation: str) -> None:
        """Open the conversation, click each element of `delete`, and wait until the page has left it."""
        if not self.site.delete:
            await super().delete(conversation)
            return
        await self.ready()
        try:
            await self._chat.open(conversation, self._limit)
        except ConversationGone:
            return
        for number, selector in enumerate(self.site.delete):
            self.may_act()
            await self._elements.click_required((selector,), f"delete[{number}]", {"id": conversation})
        await self._chat.leave(conversation, self._limit)

    async def why_not_sent(self, calls: Sequence[str], *, is_at_work: bool) -> BridgeError:
        """Return why the page sent no request that the gate knows."""
        self._is_stale = True
        if error := await self._unsent.reason(calls, self._composer, is_at_work=is_at_work):
            return error
        return await super().why_not_sent(calls, is_at_work=is_at_work)

    async def sign_in(self, user: str, password: str) -> None:
        """Fill and submit the site's login form, if the site file names its fields."""
        if not self.site.login.password_field:
            await super().sign_in(user, password)
        self._composer.begin(await self._unsent.begun())
        await sign_in(self._elements, self.site.login, user, password, self._limit)

    async def says(self) -> Sequence[str]:
        """Return the messages that the page has shown since the last `open` or `sign_in`."""
        return await self._unsent.news(self._composer.sending)

    @classmethod
    def token_state(cls, url: str, token: str) -> dict[str, Any]:
        """Return the storage state for a bare token, if the site file says where the page stores it."""
        return token_state(cls.site.login, url, token) or super().token_state(url, token)

    async def controls(self) -> Mapping[str, str]:
        """Return the selector by which each control was found; an empty text if it was not."""
        composer, menu = self.site.composer, self.site.model_menu
        wanted = {"composer": composer.box, "new chat": composer.new_chat, "model menu": menu.open[:1] if menu else ()}
        for name in self._switches:
            switch = getattr(self.site, name)
            wanted[name] = switch.open[:1] or switch.control or switch.on
        if "composer.send_button" in self._moved.missing:  # it may need a text, and was looked for with one
            wanted["send button"] = composer.send_button
        return {name: await self._found_by(selectors) for name, selectors in wanted.items() if selectors}

    async def _found_by(self, selectors: Sequence[str]) -> str:
        selector = await self._elements.found_by(selectors)
        return selector if not selector or selector in selectors else f"{selector} (not in the site file)"

    async def moved_controls(self, *, types: bool = False) -> Sequence[MovedControl]:
        """Look for controls that the site file does not find, except those that are there only during an answer."""
        composer = self.site.composer
        if composer.new_chat and not await self._elements.has(composer.new_chat):
            await self._moved.find_new_chat()
        for name in self._switches:
            switch = getattr(self.site, name)
            if switch.control and not await self._elements.has(switch.control):
                await self._moved.find_switch(name, switch)
        if types:
            await self._composer.look_for_send_button()
        return tuple(self._moved.found.values())

    @property
    def _limit(self) -> float:
        return self.limit * READY_SHARE * 1000

    async def _choose_model(self, name: str) -> bool:
        """Choose the model by the page's name for it; tell whether anything was clicked."""
        model = next((model for model in self.site.models if model.id == name), None)
        if model is None or not model.choices or self.site.model_menu is None:
            return False
        return await PageModelMenu(self._elements, self.site.model_menu).choose(*model.choices)

    def _model_of(self, turn: Turn) -> SiteModel | None:
        return next((model for model in self.site.models if model.id == turn.model), None)


def driver_of(site: SiteFile) -> type[DataDriver]:
    """Return the driver class for a site file."""
    signs = (*site.login.signed_in, *site.login.signed_out, *site.human)
    attributes = {
        "site": site,
        "answer_rules": AnswerRules(site),
        "title": site.title,
        "start_url": site.start_url,
        **_channels(site),
        "call_paths": site.request.calls,
        "watched_paths": (*paths_of(signs), *(site.upload.calls if site.upload else ())),
        "models": tuple(_model(site, model) for model in site.models),
        "min_interval": site.min_interval,
        "grammar": site.grammar,
        "prompt_limit": site.composer.limit or LONGEST_PROMPT,
        "takes_guests": site.login.guest,
        "login_in_indexed_db": site.login.in_indexed_db,
        "answers_minimized": not site.draws,
        "hosts": site.hosts,
        "sends": site.request.repeats,
        "names_answers": any(rule.emit == "message" for rule in site.answer.rules),
        "private": ", ".join((*site.private, SiteDriver.private)),
        "__doc__": f"The driver of one page of {site.title}.",
        "__module__": __name__,
    }
    return type(f"Driver_{site.name}", (DataDriver,), attributes)


def _channels(site: SiteFile) -> dict[str, Any]:
    """Return the driver's attributes about where the prompt goes and the answer comes from."""
    own, answer, poll = site.request, site.answer.call, site.poll
    calls = [call for call in (own, answer, poll.call if poll else None) if call]
    prompt_by_socket = own.method == SOCKET or own.body == "socketio"
    return {
        "answer_paths": _unique(call.path for call in calls if call.method != SOCKET or site.is_socketio(call)),
        "socket_paths": _unique(call.path for call in calls if call.method == SOCKET or site.is_socketio(call)),
        "answer_hosts": _unique(call.host for call in calls if call.host),
        "prompt_by_socket": prompt_by_socket,
        "answer_is_separate": len(calls) > 1 or prompt_by_socket,
        "answer_resumes": site.answer.dedupe is not None and not site.answer.ends_on_close,
        "heartbeats_count": not site.shares_channel,  # pings of a shared channel say nothing about the answer
    }


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _model(site: SiteFile, model: SiteModel) -> Model:
    return Model(
        model.id,
        thinking=model.thinking,
        context_length=model.context,
        files=site.upload is not None,
        aliases=model.aliases,
        can_think=site.thinking is not None,
        can_search=site.search is not None,
    )
