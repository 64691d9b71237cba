"""What a site must provide: a `SiteDriver` (async methods on a page) and a `Decoder` (bytes in, events out, no I/O).

A site is a file of data, or a module with a class `Driver`; `known_sites` finds both by name. A driver
knows selectors and the wire format, never pools, queues or HTTP clients.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import urlsplit

from playwright.async_api import Page

from bridge.browser.page_messages import PageRequest, Reply, RequestRole
from bridge.chat.types import Attachment, Model
from bridge.errors import (
    BridgeError,
    BrowserError,
    HumanNeeded,
    LoginRequired,
    NetworkError,
    SendTimeout,
    SetupError,
    SiteChanged,
)
from bridge.origins import OPAQUE, is_named, origin_of
from bridge.sites.answer_decoder import Decoder as Decoder
from bridge.sites.drift import Drift, MovedControl

SIGN_IN = re.compile(r"sign_?in|log_?in|\b(auth|sso)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Turn:
    """What the page must be made to send; `conversation` is None for a new one."""

    prompt: str
    thinking: bool = False
    search: bool = False
    conversation: str | None = None
    parent: str | None = None
    """The id of the conversation's last answer, which the new turn follows."""
    attachments: tuple[Attachment, ...] = ()
    """Files that go with the prompt."""
    model: str = ""
    """The site's base name of the model (`SiteDriver.models`), where one was asked for."""


class ConversationGone(Exception):
    """The site does not have the turn's conversation any more; nothing was sent."""


class LeftSite(BrowserError):
    """The account's page shows another origin than the site's; nothing was typed or clicked there."""

    def __init__(self, url: str) -> None:
        where = origin_of(url)
        place = "a page without an origin" if where == OPAQUE else where
        super().__init__(f"The account's page has left the site for {place}; it is reopened.")
        self.url = url

    def when_it_stays_away(self) -> BridgeError:
        """Return the error for a page that leaves the site again and again: somebody must sign in, or look at it."""
        where = origin_of(self.url)
        if where == OPAQUE:
            return HumanNeeded("The site's page keeps leaving the site for a page without an origin.")
        if SIGN_IN.search(urlsplit(self.url).path):
            return LoginRequired(f"The site leads to {where} to sign in; run `bridge login` for the account.")
        return HumanNeeded(f"The site leads to {where} in place of the chat; a person should look at it.")


class SiteDriver(ABC):
    """Drives one page of one account. Subclasses are named `Driver`.

    Every method may raise `LoginRequired`, `HumanNeeded`, `Muted` or `SiteChanged`; the caller sets the time
    limit. Methods are idempotent: the caller may call them again as long as nothing passed the gate.
    """

    title: ClassVar[str] = ""
    """What people call the site."""
    start_url: ClassVar[str]
    """Where the site lives; a profile may name another origin."""
    answer_paths: ClassVar[tuple[str, ...]]
    """URL paths (`*` matches anything) whose requests are held at the gate and whose responses are tapped."""
    answer_hosts: ClassVar[tuple[str, ...]] = ()
    """Hosts, all of them in `hosts`, that take such requests beside the site's own; for others they are failed."""
    socket_paths: ClassVar[tuple[str, ...]] = ()
    """URL paths of WebSockets whose messages are part of the answer, also where they were open before the prompt."""
    prompt_by_socket: ClassVar[bool] = False
    """Whether the prompt goes out as a message of such a WebSocket, where it is held and checked as a request is; the
    page's `WebSocket` is replaced for that."""
    answer_is_separate: ClassVar[bool] = False
    """Whether the answer comes by another way than as the response to the prompt: by a later request, by many small
    ones, by a stream that was open before, by a WebSocket. Then `is_generating` must be there."""
    heartbeats_count: ClassVar[bool] = True
    """Whether bytes that give no event show that the answer still goes on; off where its channel carries other things,
    too: a turn for which only such bytes come ends after `turn.silence`."""
    answer_resumes: ClassVar[bool] = False
    """Whether an `EventSource` that was cut may go on when the browser connects it again: the decoder drops what the
    site sends once more."""
    names_answers: ClassVar[bool] = True
    """Whether `Opened` brings an id of the answer; where the site has none, the bridge gives each one of its own."""
    sends: ClassVar[int] = 1
    """How often the page may send the prompt in one turn; the answer to the last one counts."""
    call_paths: ClassVar[tuple[str, ...]] = ()
    """URL paths (`*` matches anything) of the page's own calls on the way to a prompt: see `refused`."""
    watched_paths: ClassVar[tuple[str, ...]] = ()
    """URL paths (`*` matches anything) of the page's own calls whose answers `on_reply` gets, from the first load."""
    history_paths: ClassVar[tuple[str, ...]] = ()
    """URL paths (`*` matches anything) from which the page takes an answer whose stream broke; the decoder gets their
    responses then."""
    models: ClassVar[tuple[Model, ...]]
    """Base names that clients may ask for; `chat.model_names` adds `-think`, `-search`, `-silent` and the like."""
    min_interval: ClassVar[float]
    """Seconds between two sends of one account that keep a human pace."""

    grammar: ClassVar[tuple[str, ...]] = ()
    """Words of the site's protocol that the page's own scripts hold as long as they speak it, the address first."""

    prompt_limit: ClassVar[int | None] = None
    """UTF-16 code units that the page takes as a prompt; None where it has no limit."""
    prompt_lines: ClassVar[int | None] = None
    """Lines of a prompt that the page can lay out in good time; None where it has no limit."""
    direction_changes: ClassVar[int | None] = None
    """Changes between writing from right to left and from left to right that it can lay out in one line."""
    takes_guests: ClassVar[bool] = False
    """Whether a visitor may chat: an account of the site needs no login then."""
    login_in_indexed_db: ClassVar[bool] = True
    """Whether a profile holds the site's IndexedDB; off where that is a cache of chats and no part of the login."""

    answers_minimized: ClassVar[bool] = True
    """Whether an answer goes on in a minimized window; off where the page reads it, or keeps it alive, as it draws."""

    hosts: ClassVar[tuple[str, ...]] = ()
    """Hosts beside its own that the page needs, and its login may have cookies of; `*.name`: all below a name."""
    private: ClassVar[str] = "textarea, input"
    """CSS selector of what holds people's words, which a picture for the operator must not show."""
    limit: float = 30.0
    """Seconds that the caller gives `ready`; set by the code that opens the page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url.rstrip("/")
        self.origin = origin_of(url)
        self.is_waiting: Callable[[], bool] = lambda: False
        """Tells whether the page waits for the network; set by the code that opens the page."""
        self.is_loading: Callable[[], bool] = lambda: False
        """Tells whether the page loads a document; set by the code that opens the page."""
        self.is_telling: Callable[[], bool] = lambda: False
        """Tells whether something that the page's scripts have sent is not answered yet; set by the same code."""
        self.may_act: Callable[[], None] = lambda: None
        """Raises where the account is another bridge's by now; called right before what uploads or deletes."""
        self.drift = Drift()
        """What of the page is not as the driver knows it; emptied by whoever reports it."""

    @abstractmethod
    async def ready(self) -> None:
        """Wait until the page is signed in and can take a prompt; raise why it cannot."""

    @abstractmethod
    async def open(self, turn: Turn) -> None:
        """Bring up the turn's conversation (prove a new one empty) and set its switches.

        Raises `ConversationGone` where the site does not have it any more.
        """

    async def attach(self, turn: Turn, limit: float) -> None:
        """Upload the turn's files and wait until the site has read them, `limit` seconds at most; none is left over.

        Called after `open`, for turns with files, where the site takes any. Raises `FileRejected` for a bad one.
        """
        raise NotImplementedError

    @abstractmethod
    async def submit(self, turn: Turn) -> bool:
        """Put the prompt into the composer, whatever its length, and press the key that sends it.

        Returns whether the page is at work on it, which may take long; such a page is left alone.
        """

    def on_reply(self, reply: Reply) -> None:  # noqa: B027 - most sites show enough without it
        """Take the answer to one of the page's own calls at `watched_paths`, such as that for its user."""

    def on_dialog(self, text: str) -> None:  # noqa: B027
        """Take what `alert` or its kind says, which the browser closes by itself."""

    def refused(self, reply: Reply) -> BridgeError | None:
        """Return why a prompt cannot be sent, if what came of a call to one of the `call_paths` says so."""
        return NetworkError(f"The site cannot be reached ({reply.failure}).") if reply.failure else None

    @abstractmethod
    def mismatches(self, turn: Turn, request: PageRequest) -> Sequence[str]:
        """Return how the held request differs from the turn; empty means that it may leave."""

    def role_of(self, request: PageRequest) -> RequestRole:
        """Return what a request to an answer path is: the prompt, which must match, or one that carries none.

        `answer` is let through, and its response is part of the answer; `other` is let through, and not read.
        """
        return "prompt"

    def conversation_of(self, request: PageRequest) -> str | None:
        """Return the id of the conversation that a request which passed the gate belongs to."""
        return None

    @abstractmethod
    async def stop(self) -> None:
        """Press the page's stop button, if it is generating."""

    async def is_generating(self) -> bool | None:
        """Tell whether the page shows that it is generating; None where it does not show that.

        Asked before an answer is stopped, where `answer_is_separate` or where a response stays open behind its answer.
        """
        return None

    def is_sign_in(self, url: str) -> bool:
        """Tell whether an address of the site is that of its login, where a page goes that is signed out."""
        parts = urlsplit(url)
        return SIGN_IN.search(f"{parts.path}#{parts.fragment}") is not None

    @abstractmethod
    def decoder(self) -> Decoder:
        """Return a fresh decoder for one turn."""

    @classmethod
    @abstractmethod
    def fresh_decoder(cls) -> Decoder:
        """Return a decoder that belongs to no page, for recorded streams."""

    async def go_on(self) -> bool:
        """Press the button that continues an answer which broke off at its budget; False where there is none."""
        return False

    async def open_old_conversation(self, conversation: str) -> None:
        """Bring up an old conversation, so that the page takes up an answer that is still being written there.

        Raises `ConversationGone` where the site does not have it any more.
        """
        raise ConversationGone

    def resume_mismatches(self, conversation: str, request: PageRequest) -> Sequence[str]:
        """Return how the held request differs from one that only takes up an answer of the conversation."""
        return ("no chat is waiting for an answer",)

    async def delete(self, conversation: str) -> None:
        """Delete the conversation as a person does; one that the site does not have is deleted already."""
        raise SetupError("Conversations of this site cannot be deleted; empty the setting conversations.delete_after.")

    async def why_not_sent(self, calls: Sequence[str], *, is_at_work: bool) -> BridgeError:
        """Return why no request came to the gate in time; `calls` are the API paths that the page did call.

        One that is still at work has only taken too long.
        """
        if is_at_work:
            return SendTimeout("The page was still at work on the prompt, and has sent nothing.")
        called = f"; it called {', '.join(calls)}" if calls else ""
        return SiteChanged(f"The page sent nothing{called}.")

    async def sign_in(self, user: str, password: str) -> None:
        """Fill the site's plain login form and send it, where it has one."""
        raise SetupError("This site's login form cannot be filled automatically; log in by hand.")

    async def says(self) -> Sequence[str]:
        """Return the messages that the page has shown since `sign_in` was called."""
        return ()

    @classmethod
    def token_state(cls, url: str, token: str) -> dict[str, Any]:
        """Return the storage state, in Playwright's form, of a browser that `token` signs in at `url`."""
        raise SetupError("This site cannot be signed in to by a token.")

    async def controls(self) -> Mapping[str, str]:
        """Return which of the page's controls were found and by what, for debugging."""
        return {}

    async def moved_controls(self, *, types: bool = False) -> Sequence[MovedControl]:
        """Return what stands in for controls that are not where they were; nothing is clicked.

        With `types` a word is put into the text box and taken out again, since some buttons come only with a text.
        """
        return ()


def contradiction(driver: type[SiteDriver]) -> str | None:
    """Return what of a driver's attributes does not fit together."""
    strange = [host for host in driver.answer_hosts if host not in driver.hosts and not is_named(host, driver.hosts)]
    if strange:
        return f"answer_hosts names {', '.join(strange)}, which hosts does not"
    if driver.answer_is_separate and driver.is_generating is SiteDriver.is_generating:
        return "is_generating is missing: without it nobody can tell when an answer that comes separately has stopped"
    if driver.prompt_by_socket and not driver.socket_paths:
        return "socket_paths is missing: prompt_by_socket needs it"
    return None
