"""Finds out why a prompt was not sent: from the replies to the page's own calls, and from what the page shows."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime

from bridge.browser.page_messages import Reply
from bridge.errors import BridgeError, HumanNeeded, LoginRequired, SiteBusy, SiteChanged, SiteError
from bridge.sites.http_refusals import quote
from bridge.sites.site_file.composer_send import ComposerSend, Sending
from bridge.sites.site_file.login_state import LoginState
from bridge.sites.site_file.page_elements import ADVICE, PageElements
from bridge.sites.site_file.page_signs import PageSigns
from bridge.sites.site_file.refusal_rules import RefusalRules
from bridge.sites.site_file.schema import SiteFile

PRESSES_BEFORE_CHECK = 3
"""The number of presses without a request after which the page's notices are checked for a refusal."""
MOST_DIALOGS = 5
"""The most JavaScript dialogs that are remembered."""


class UnsentPrompt:
    """The search for the reason on one page."""

    def __init__(self, page: PageElements, site: SiteFile, signs: PageSigns, login: LoginState) -> None:
        self._page = page
        self._login = login
        self._site = site
        self._signs = signs
        self._refusals = RefusalRules(site)
        self.dialogs: deque[str] = deque(maxlen=MOST_DIALOGS)
        """The texts of JavaScript dialogs since the turn began; the browser has closed them."""

    async def begun(self) -> list[str]:
        """Forget the dialogs of the previous turn; return the notices that the page shows already."""
        self.dialogs.clear()
        return await self._page.texts(self._site.notices)

    async def reason(self, calls: Sequence[str], composer: ComposerSend, *, is_at_work: bool) -> BridgeError | None:
        """Return why nothing was sent, as far as the page shows it; a check for a human is looked for first."""
        sending = composer.sending
        if await self._signs.seen(self._site.human):
            return HumanNeeded("The site asks for a human before it accepts the prompt; nothing was sent.")
        if not self._site.login.guest and await self._login.is_signed_out():
            return LoginRequired("The account is signed out; run `bridge login` for it. Nothing was sent.")
        said = await self.news(sending)
        if refused := self._refusal_in(said, also_unknown=sending.presses > 0 and not is_at_work):
            return refused
        if sending.presses and await composer.is_replaced():
            return SiteError("The page reloaded itself while it was sending the prompt.", sent=sending.is_taken)
        if is_at_work and not sending.is_taken:
            return None
        called = f"it called {', '.join(calls)}" if calls else "it called nothing"
        if sending.is_taken:
            message = f"The page accepted the prompt, but sent no request to {self._site.request.path}: {called}."
            return SiteChanged(message, sent=True)
        return await self._never_sends(sending, called)

    async def news(self, sending: Sending) -> list[str]:
        """Return the page's messages that appeared since the turn began."""
        shown = await self._page.texts(self._site.notices)
        return [*(Counter(shown) - Counter(sending.old_notices)).elements(), *self.dialogs]

    async def refusal(self, sending: Sending) -> BridgeError | None:
        """Return the refusal that the page shows after several presses without effect, if the site file has a rule."""
        if sending.presses < PRESSES_BEFORE_CHECK:
            return None
        return self._refusal_in(await self.news(sending), also_unknown=False)

    def refused_call(self, reply: Reply) -> BridgeError | None:
        """Return the error of a refused call of the page, or None."""
        return self._refusals.in_reply(reply, datetime.now(UTC))

    def _refusal_in(self, notices: Sequence[str], *, also_unknown: bool) -> BridgeError | None:
        """Return the error that the page's messages mean; with `also_unknown` also for an unknown message."""
        for text in notices:
            if refused := self._refusals.on_page(text):
                return refused
        if notices and also_unknown:
            return SiteBusy(f"The page did not send the prompt, and says: {quote('; '.join(dict.fromkeys(notices)))}")
        return None

    async def _never_sends(self, sending: Sending, called: str) -> SiteChanged:
        """Return the error for a page on which no press sends the prompt."""
        composer = self._site.composer
        if not await self._page.has(composer.box):
            return SiteChanged(f"The page's control 'composer.box' was not found. {ADVICE}")
        if composer.send == "button" and not sending.presses:
            if self._page.cover_of(composer.send_button) is not None:
                return self._page.not_clicked("composer.send_button", composer.send_button)
            return SiteChanged(f"The page's control 'composer.send_button' was not found; {called}. {ADVICE}")
        what = "the send button" if composer.send == "button" else "Enter"
        return SiteChanged(f"{what.capitalize()} does not send what is in the page's composer; {called}.")
