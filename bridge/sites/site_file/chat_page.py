"""Opens chats on the page: waits until it accepts a prompt, and opens an empty new chat or an old conversation."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from bridge.browser.page_messages import NO_DOCUMENT
from bridge.errors import BridgeError, HumanNeeded, LoginRequired, SendTimeout, SiteChanged
from bridge.sites.contract import ConversationGone
from bridge.sites.guarded_page import QUICK, retried
from bridge.sites.http_refusals import overload
from bridge.sites.send_limits import CONVERSATION_LIMIT
from bridge.sites.site_file.chat_address import ChatAddress
from bridge.sites.site_file.login_state import LoginState
from bridge.sites.site_file.moved_controls import MovedControls
from bridge.sites.site_file.page_elements import PageElements, lacking, waited
from bridge.sites.site_file.page_signs import PageSigns
from bridge.sites.site_file.schema import SiteFile
from bridge.sites.site_file.site_dialogs import SiteDialogs

CLICKS = 5
"""How often New chat is clicked: a page that is still rendering ignores a click."""
CLICK_EFFECT = 400
"""Milliseconds that a click on New chat has to clear the chat before it is repeated."""
PATIENCE = 4.0
"""Seconds without a text box after which it is looked for elsewhere: the page may still be rendering."""
SIGNED_OUT = "The account is signed out; run `bridge login` for it."
DOCUMENT_STATUS = '() => performance.getEntriesByType("navigation")[0]?.responseStatus || 200'
HUMAN = "The site asks for a human before it shows the chat."


class Obstacle(NamedTuple):
    """What keeps the page from accepting a prompt, and whether that may pass without action."""

    error: BridgeError
    may_pass: bool = False


class ChatPage:
    """One page of a site, and the chat that it shows."""

    def __init__(self, page: PageElements, site: SiteFile, url: str, signs: PageSigns, moved: MovedControls) -> None:
        self._page = page
        self._moved = moved
        self._look_again_at = 0.0
        """When a missing text box is looked for elsewhere."""
        self._site = site
        self._signs = signs
        self.login = LoginState(signs, site.login, lambda: self.is_waiting())
        self.address = ChatAddress(site, url)
        self.dialogs = SiteDialogs(page, site.dialogs)
        self.is_waiting: Callable[[], bool] = lambda: False
        """Tells whether the page waits for the network."""
        self.is_loading: Callable[[], bool] = lambda: False
        """Tells whether the page loads a document."""

    async def ready(self, limit: float) -> None:
        """Wait until the page accepts a prompt, at most `limit` milliseconds; raise what prevents it."""
        await self._page.wait_for_site(limit)
        self._look_again_at = time.monotonic() + min(PATIENCE, limit / 3000)
        obstacle: Obstacle | None = None

        async def look() -> bool:
            nonlocal obstacle
            obstacle = await self._obstacle()
            return obstacle is None or not obstacle.may_pass

        await waited(look, limit)
        if obstacle is not None:
            raise (await self._refused() if obstacle.may_pass else None) or obstacle.error

    async def _refused(self) -> BridgeError | None:
        """Return the error that the HTTP status of the document or of the page's calls shows, or None."""
        status = await retried(lambda: self._page.page.evaluate(DOCUMENT_STATUS))
        if error := overload(status):
            return error
        if status in (403, 405):
            return HumanNeeded(HUMAN)
        if self._signs.failure is not None:
            return self._signs.failure
        if self.is_waiting():
            return SendTimeout("The page is still loading: the site takes too long.")
        return None

    async def open(self, conversation: str | None, limit: float) -> None:
        """Open a conversation, or an empty new chat for None."""
        if conversation is None:
            await self._new_chat(limit)
        elif not await self.holds(conversation):
            await self.go_to(conversation, limit)

    async def go_to(self, conversation: str, limit: float) -> None:
        """Load a conversation; raise `ConversationGone` if the site no longer has it."""
        if (address := self.address.of(conversation)) is None:
            raise ConversationGone
        await self.load(address)
        await self.ready(limit)
        if not await waited(lambda: self.holds(conversation), CONVERSATION_LIMIT):
            raise ConversationGone

    async def leave(self, conversation: str, limit: float) -> None:
        """Wait until the page has left a deleted conversation, because any action before that is lost.

        Some pages keep showing what they have deleted: then the conversation is loaded once more to check.
        """

        async def is_left() -> bool:
            return not await self.holds(conversation)

        if not await waited(is_left, CONVERSATION_LIMIT):
            with suppress(ConversationGone):
                await self.go_to(conversation, limit)
                raise SiteChanged("A conversation was deleted through the page, but the site still has it.")

    async def load(self, address: str) -> None:
        """Load a document, and forget the signs of the previous one."""
        self._signs.forget()
        await self._page.load(address)
        self.login.loaded()

    async def holds(self, conversation: str) -> bool:
        """Tell whether the page shows the conversation with its messages."""
        if self.address.conversation_in(self._page.page.url) != conversation:
            return False
        messages = self._site.composer.messages
        is_there = not messages or await self._page.count(messages) > 0
        return is_there and await self._page.has(self._site.composer.box)

    async def is_empty(self) -> bool:
        """Tell whether the page shows an empty new chat."""
        return await self._is_cleared() and await self._page.has(self._site.composer.box)

    async def _is_cleared(self) -> bool:
        """Tell whether the page shows no conversation, even if it does not show a new chat yet."""
        url = self._page.page.url
        if url.startswith(NO_DOCUMENT) or self.address.conversation_in(url) is not None:
            return False
        return not await self._page.count(self._site.composer.messages)

    async def _new_chat(self, limit: float) -> None:
        """Click New chat and verify that the chat is empty; load the address of a new chat if it is not."""
        if await self.is_empty() or await self._click_new_chat(limit):
            return
        await self.load(self.address.new_chat)
        await self.ready(limit)
        if not await waited(self.is_empty, QUICK):
            raise SiteChanged("A new chat is not empty: the page shows messages, or a conversation's address.")

    async def _click_new_chat(self, limit: float) -> bool:
        """Click New chat until the chat is cleared; tell whether the page then shows an empty chat."""
        button = self._site.composer.new_chat
        for _ in range(CLICKS if button else 0):
            if not await self._page.click(button, field="composer.new_chat"):
                return False
            await waited(self._is_cleared, CLICK_EFFECT)
            # another click would restart what the page loads; half of the time is left to load the chat by its address
            has_loaded = await waited(self._has_loaded, limit / 2)
            if await self._is_cleared():
                return bool(await waited(self.is_empty, QUICK))
            if not has_loaded:
                return False
        return False

    async def _has_loaded(self) -> bool:
        return not self.is_loading()

    async def _has_box(self, *, is_settled: bool) -> bool:
        """Tell whether there is a text box; a moved one is looked for only once the login is clear."""
        if await self._page.has(self._site.composer.box):
            return True
        if not is_settled or time.monotonic() < self._look_again_at:
            return False
        self._look_again_at = time.monotonic() + PATIENCE
        return await self._moved.find_box()

    async def _obstacle(self) -> Obstacle | None:
        """Return what keeps the page from accepting a prompt now, or None."""
        if await self._signs.seen(self._site.human):
            return Obstacle(HumanNeeded(HUMAN))
        status = await self.login.status()
        if status == "out" or (status == "open" and self.login.looks_signed_out):
            return Obstacle(LoginRequired(SIGNED_OUT), may_pass=status == "open")
        await self.dialogs.close()
        composer = self._site.composer
        if not await self._has_box(is_settled=status != "open"):
            return Obstacle(lacking("composer.box", composer.box), may_pass=True)
        if composer.ready and not await self._page.has((composer.ready,)):
            return Obstacle(lacking("composer.ready", (composer.ready,)), may_pass=True)
        if status == "open":
            what = "none of the signs of login.signed_in or login.signed_out was seen"
            return Obstacle(SiteChanged(f"Nothing shows whether the account is signed in: {what}."), may_pass=True)
        return None
