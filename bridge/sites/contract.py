"""What a site must provide: a `SiteDriver` (async methods on a page) and a `Decoder` (bytes in, events out, no I/O).

A site is a TOML file, or a module with a class `Driver`; `known_sites` finds both by name. A driver
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
    """What the page must send; `conversation` is None for a new one."""

    prompt: str
    thinking: bool = False
    search: bool = False
    conversation: str | None = None
    parent: str | None = None
    """The id of the conversation's last answer, which the new turn follows."""
    attachments: tuple[Attachment, ...] = ()
    """Files that go with the prompt."""
    model: str = ""
    """The site's base name of the model (`SiteDriver.models`), if the client asked for one."""


class ConversationGone(Exception):
    """The error of a turn whose conversation the site no longer has; nothing was sent."""


class LeftSite(BrowserError):
    """The error of a page that shows another origin than the site's; nothing was typed or clicked there."""

    def __init__(self, url: str) -> None:
        where = origin_of(url)
        place = "a page without an origin" if where == OPAQUE else where
        super().__init__(f"The account's page has left the site for {place}; it is reopened.")
        self.url = url

    def if_repeated(self) -> BridgeError:
        """Return the error for a page that keeps leaving the site: the operator must sign in or look at it."""
        where = origin_of(self.url)
        if where == OPAQUE:
            return HumanNeeded("The site's page keeps leaving the site for a page without an origin.")
        if SIGN_IN.search(urlsplit(self.url).path):
            return LoginRequired(f"The site leads to {where} to sign in; run `bridge login` for the account.")
        return HumanNeeded(f"The site leads to {where} in place of the chat; a person should look at it.")


class SiteDriver(ABC):
    """The driver of one page of one account. Subclasses are named `Driver`.

    Every method may raise `LoginRequired`, `HumanNeeded`, `Muted` or `SiteChanged`; the caller sets the time
    limit. Methods are idempotent: the caller may call them again as long as nothing passed the gate.
    """

    title: ClassVar[str] = ""
    """The site's name for people."""
    start_url: ClassVar[str]
    """The site's address; a profile may name another origin."""
    answer_paths: ClassVar[tuple[str, ...]]
    """URL paths (`*` matches anything) whose requests are held at the gate and whose responses are tapped."""
    answer_hosts: ClassVar[tuple[str, ...]] = ()
    """Hosts, all of them in `hosts`, that may receive such requests besides the site's own; requests to others fail."""
    socket_paths: ClassVar[tuple[str, ...]] = ()
    """URL paths of WebSockets whose messages are part of the answer, even if they were open before the prompt."""
    prompt_by_socket: ClassVar[bool] = False
    """Whether the page sends the prompt over such a WebSocket. It is held and checked like a request, for which the
    page's `WebSocket` is replaced."""
    answer_is_separate: ClassVar[bool] = False
    """Whether the answer arrives elsewhere than in the response to the prompt: in a later request, in many small
    ones, in a stream opened earlier, on a WebSocket. The driver must then implement `is_generating`."""
    heartbeats_count: ClassVar[bool] = True
    """Whether bytes that complete no event show that the answer is still being written; off where its channel also
    carries other data: a turn that receives only such bytes ends after `turn.silence`."""
    answer_resumes: ClassVar[bool] = False
    """Whether an answer may continue after the browser reconnects a broken `EventSource`: the decoder drops what the
    site repeats."""
    names_answers: ClassVar[bool] = True
    """Whether `Opened` carries the site's id of the answer; if the site has none, the bridge assigns one."""
    sends: ClassVar[int] = 1
    """How often the page may send the prompt in one turn; only the answer to the last one counts."""
    call_paths: ClassVar[tuple[str, ...]] = ()
    """URL paths (`*` matches anything) of the calls that the page makes before it sends a prompt; see `refused`."""
    watched_paths: ClassVar[tuple[str, ...]] = ()
    """URL paths (`*` matches anything) of the page's own calls whose replies go to `on_reply`, from the first load."""
    history_paths: ClassVar[tuple[str, ...]] = ()
    """URL paths (`*` matches anything) from which the page loads an answer whose stream broke; their responses then
    go to the decoder."""
    models: ClassVar[tuple[Model, ...]]
    """Base names that clients may request; `chat.model_names` adds `-think`, `-search`, `-silent` and the like."""
    min_interval: ClassVar[float]
    """Seconds between two sends of one account, for a human pace."""

    grammar: ClassVar[tuple[str, ...]] = ()
    """Words of the site's protocol that the page's scripts contain as long as they speak it, the address first."""

    prompt_limit: ClassVar[int | None] = None
    """The longest prompt that the page accepts, in UTF-16 code units; None for no limit."""
    prompt_lines: ClassVar[int | None] = None
    """Lines of a prompt that the page can lay out in reasonable time; None for no limit."""
    direction_changes: ClassVar[int | None] = None
    """Changes between right-to-left and left-to-right text that it can lay out in one line; None for no limit."""
    takes_guests: ClassVar[bool] = False
    """Whether a visitor may chat, so that the site's accounts need no login."""
    login_in_indexed_db: ClassVar[bool] = True
    """Whether a profile includes the site's IndexedDB; off where that caches chats and is not part of the login."""

    answers_minimized: ClassVar[bool] = True
    """Whether an answer continues in a minimized window; off where the page reads it, or keeps it alive, in frames
    that it draws."""

    hosts: ClassVar[tuple[str, ...]] = ()
    """Hosts besides its own that the page needs and whose cookies its login may include; `*.name`: all subdomains."""
    private: ClassVar[str] = "textarea, input"
    """CSS selector of the elements with people's text, which a screenshot for the operator must not show."""
    limit: float = 30.0
    """Seconds that `ready` may take; set by the code that opens the page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url.rstrip("/")
        self.origin = origin_of(url)
        self.is_waiting: Callable[[], bool] = lambda: False
        """Tells whether the page waits for the network; set by the code that opens the page."""
        self.is_loading: Callable[[], bool] = lambda: False
        """Tells whether the page loads a document; set by the code that opens the page."""
        self.has_open_commands: Callable[[], bool] = lambda: False
        """Tells whether a request of the page's scripts is still unanswered; set by the same code."""
        self.may_act: Callable[[], None] = lambda: None
        """Raises if another bridge owns the account by now; called right before an upload or a deletion."""
        self.drift = Drift()
        """Counts where the page differs from what the driver knows; the code that reports it empties it."""

    @abstractmethod
    async def ready(self) -> None:
        """Wait until the page is signed in and accepts a prompt; raise the error that says why it does not."""

    @abstractmethod
    async def open(self, turn: Turn) -> None:
        """Open the turn's conversation (and verify that a new one is empty) and set its switches.

        Raises `ConversationGone` if the site no longer has it.
        """

    async def attach(self, turn: Turn, limit: float) -> None:
        """Upload the turn's files and wait until the site has read all of them, at most `limit` seconds.

        Called after `open`, for turns with files, if the site accepts files. Raises `FileRejected` for a bad one.
        """
        raise NotImplementedError

    @abstractmethod
    async def submit(self, turn: Turn) -> bool:
        """Put the prompt, however long, into the composer and press the key that sends it.

        Returns whether the page is processing it, which may take long; the caller must then leave the page alone.
        """

    def on_reply(self, reply: Reply) -> None:  # noqa: B027 - most sites show enough without it
        """Handle the reply to one of the page's own calls at `watched_paths`, such as the one for its user."""

    def on_dialog(self, text: str) -> None:  # noqa: B027
        """Handle the text of an `alert` or another JavaScript dialog, which the browser closes."""

    def refused(self, reply: Reply) -> BridgeError | None:
        """Return why a prompt cannot be sent, if the reply to a call at one of the `call_paths` says so."""
        return NetworkError(f"The site cannot be reached ({reply.failure}).") if reply.failure else None

    @abstractmethod
    def mismatches(self, turn: Turn, request: PageRequest) -> Sequence[str]:
        """Return how the held request differs from the turn; empty means that it may be sent."""

    def role_of(self, request: PageRequest) -> RequestRole:
        """Return the role of a request to an answer path: `prompt`, which must match the turn, or one without a prompt.

        `answer` passes, and its response is part of the answer; `other` passes, and its response is not read.
        """
        return "prompt"

    def conversation_of(self, request: PageRequest) -> str | None:
        """Return the conversation id of a request that passed the gate."""
        return None

    @abstractmethod
    async def stop(self) -> None:
        """Press the page's stop button if the site is generating."""

    async def is_generating(self) -> bool | None:
        """Tell whether the page shows that the site is generating; None if it cannot show that.

        Called before an answer is stopped, if `answer_is_separate` or if a response stays open after its answer.
        """
        return None

    def is_sign_in(self, url: str) -> bool:
        """Tell whether an address of the site is its login, where a signed-out page goes."""
        parts = urlsplit(url)
        return SIGN_IN.search(f"{parts.path}#{parts.fragment}") is not None

    @abstractmethod
    def decoder(self) -> Decoder:
        """Return a new decoder for one turn."""

    @classmethod
    @abstractmethod
    def fresh_decoder(cls) -> Decoder:
        """Return a new decoder without a page, for recorded streams."""

    async def go_on(self) -> bool:
        """Press the button that continues an answer cut at the site's length limit; False if there is none."""
        return False

    async def open_old_conversation(self, conversation: str) -> None:
        """Open an old conversation, so that the page resumes an answer still being written there.

        Raises `ConversationGone` if the site no longer has it.
        """
        raise ConversationGone

    def resume_mismatches(self, conversation: str, request: PageRequest) -> Sequence[str]:
        """Return how the held request differs from one that only resumes an answer of the conversation."""
        return ("no chat is waiting for an answer",)

    async def delete(self, conversation: str) -> None:
        """Delete the conversation through the page; one that the site no longer has counts as deleted."""
        raise SetupError("Conversations of this site cannot be deleted; empty the setting conversations.delete_after.")

    async def why_not_sent(self, calls: Sequence[str], *, is_at_work: bool) -> BridgeError:
        """Return why no request reached the gate in time; `calls` are the API paths that the page did call.

        A page that is still processing the prompt has only taken too long.
        """
        if is_at_work:
            return SendTimeout("The page was still processing the prompt, and has sent nothing.")
        called = f"; it called {', '.join(calls)}" if calls else ""
        return SiteChanged(f"The page sent nothing{called}.")

    async def sign_in(self, user: str, password: str) -> None:
        """Fill and submit the site's login form, if it has a plain one."""
        raise SetupError("This site's login form cannot be filled automatically; log in by hand.")

    async def says(self) -> Sequence[str]:
        """Return the messages that the page has shown since the last `open` or `sign_in`."""
        return ()

    @classmethod
    def token_state(cls, url: str, token: str) -> dict[str, Any]:
        """Return the storage state, in Playwright's format, that signs a browser in at `url` with `token`."""
        raise SetupError("This site cannot be signed in to by a token.")

    async def controls(self) -> Mapping[str, str]:
        """Return how each of the page's controls was found, for debugging."""
        return {}

    async def moved_controls(self, *, types: bool = False) -> Sequence[MovedControl]:
        """Return replacements for controls that their selectors do not find; nothing is clicked.

        With `types` a word is put into the text box and removed again, since some buttons appear only with text.
        """
        return ()


def contradiction(driver: type[SiteDriver]) -> str | None:
    """Return which of a driver's attributes contradict each other, or None."""
    strange = [host for host in driver.answer_hosts if host not in driver.hosts and not is_named(host, driver.hosts)]
    if strange:
        return f"answer_hosts names {', '.join(strange)}, but hosts does not"
    if driver.answer_is_separate and driver.is_generating is SiteDriver.is_generating:
        return "is_generating is missing: without it the bridge cannot tell when a separate answer has stopped"
    if driver.prompt_by_socket and not driver.socket_paths:
        return "socket_paths is missing: prompt_by_socket needs it"
    return None
