"""The vocabulary: a chat is a `ChatRequest` in and a stream of `ChatEvent`s out.

Every other module translates at one end of that sentence or transports in the middle. The browser side and the HTTP
side meet only in the `ChatBackend` protocol of this module.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Literal, Protocol

from bridge.chat.account_status import Account as Account
from bridge.chat.account_status import AccountError as AccountError
from bridge.chat.caller import ANYBODY, Caller
from bridge.chat.rate_limits import RateLimit

Role = Literal["system", "user", "assistant", "tool"]
Show = Literal["separate", "fold", "silent"]
FinishReason = Literal["stop", "length", "content_filter"]
ConversationStart = Literal["continued", "new", "context", "account", "lost"]
"""How an answer's conversation started: it was continued, or it is new.

A known one was left because it is full (`context`), because its account could not answer in time (`account`), or
because the site no longer has it (`lost`).
"""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file beside a message's text; `param` is the field of the request that it came from.

    Its bytes are in `data`, or already on disk at `path`; then size and digest are given.
    """

    name: str
    media_type: str
    data: bytes = field(repr=False)
    param: str = field(default="messages", compare=False)
    path: Path | None = field(default=None, compare=False, repr=False)
    size: int = -1
    digest: str = field(default="", repr=False)
    """SHA-256 of the bytes."""

    def __post_init__(self) -> None:
        if self.path is None:
            object.__setattr__(self, "size", len(self.data))
            object.__setattr__(self, "digest", sha256(self.data).hexdigest())

    @property
    def is_image(self) -> bool:
        """Tell whether it is a picture."""
        return self.media_type.startswith("image/")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the history: plain text and files."""

    role: Role
    text: str
    attachments: tuple[Attachment, ...] = ()
    teaches_tools: bool = field(default=False, compare=False)
    """Whether it is the bridge's own text about tools: a paragraph with all names, and one for each tool."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model as clients name it, and what it switches on; `show` selects where thinking and sources go.

    `separate` puts thinking into its own field, `fold` puts it into the answer as a `<details>` block, `silent` omits
    thinking and sources.
    """

    id: str
    thinking: bool = False
    search: bool = False
    show: Show = "separate"
    context_length: int | None = None
    """The most tokens that the site accepts; None: unknown."""
    longest: int | None = field(default=None, compare=False)
    """The most characters of a request's texts together, since more can never be sent; None: no limit."""
    files: bool = False
    """Whether messages may have files and images."""
    aliases: tuple[str, ...] = field(default=(), compare=False)
    """Other names, which clients have as presets."""
    vocabulary: str = field(default="", compare=False)
    """The name of the vocabulary that counts its tokens (`tokens.vocabularies`); without one they are estimated."""
    base: str = field(default="", compare=False)
    """The site's own name for it; empty if that is `id`."""
    can_think: bool = field(default=True, compare=False)
    """Whether thinking can be switched on."""
    can_search: bool = field(default=True, compare=False)
    """Whether web search can be switched on."""

    @property
    def variant(self) -> str:
        """Return the base with its switches, under any client's name: there are only a few of these."""
        on = (("think", self.thinking), ("search", self.search))
        return "-".join((self.base or self.id, *(word for word, is_on in on if is_on)))


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A chat to be answered: the whole history, with the new message last."""

    id: str
    model: Model
    messages: tuple[Message, ...]
    conversation: str | None = None
    """The conversation that the client continues, `<conversation>@<message>`; then only new messages are sent."""
    returned: Callable[[str], str] = field(default=str, compare=False, repr=False)
    """Maps the site's whole answer to the assistant message that the client will send back."""
    unseen: int = 0
    """How many of the last messages the client does not know and will not send back."""
    tokens: tuple[str, ...] = field(default=(), repr=False)
    """The client's own logins: only their accounts may answer, and no other chat may use those."""
    prompt_tokens: int = field(default=0, compare=False)
    """Tokens of the messages; 0 if not counted."""
    dialect: str = field(default="", compare=False)
    """The API by which it came."""
    trace_parent: str = field(default="", compare=False)
    """The client's W3C `traceparent`."""
    peer: str = field(default="", compare=False, repr=False)
    """The client's address, by which attempts without a key are limited."""
    caller: Caller = field(default=ANYBODY, compare=False)
    """The caller whose key it came with."""
    start_within: float | None = field(default=None, compare=False)
    """Seconds in which it must get an account, if the client sets a limit; `pool.queue_limit` also applies."""
    is_brief: bool = field(default=False, compare=False)
    """Whether it is another node's, which tries elsewhere if the chat gets no account within that time."""
    may_start: Callable[[], Awaitable[None]] | None = field(default=None, compare=False, repr=False)
    """Awaited once it has an account, before anything is sent; an exception ends the chat."""


@dataclass(frozen=True, slots=True)
class Source:
    """A page that the site's search found; `number` is the N of its `[citation:N]` marks in the answer."""

    number: int
    url: str
    title: str = ""
    snippet: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """The first event of every answer, before any text: the site has accepted the prompt."""

    conversation: str | None = None
    message: str | None = None
    prompt_tokens: int = field(default=0, compare=False)
    """Tokens of the prompt; 0 if not counted yet."""
    start: ConversationStart | None = field(default=None, compare=False)
    """Whether the answer continues a known conversation, or why not; None: unknown."""
    place: int | None = field(default=None, compare=False)
    """The chat's place in the queue on arrival; 0: an account was free."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """A piece of the model's reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Searched:
    """Results of a search; `queries` or `sources` may come alone, and more may follow."""

    queries: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Title:
    """The title that the site gave the conversation."""

    text: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The site has withdrawn all text so far and replaced it by `text`."""

    text: str


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The site has changed text that it had already sent; `text` is the whole answer so far.

    A stream whose client has the earlier text ends with an error; a non-streamed answer has the new text.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of the answer; always the last event."""

    reason: FinishReason = "stop"


ChatEvent = Opened | Thinking | Text | Searched | Title | Withdrawn | Rewritten | Finish


class ChatBackend(Protocol):
    """The interface of chat backends for the HTTP API."""

    def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Yield the answer's events: `Opened` first, `Finish` last; raise a `BridgeError` instead of ending early.

        Raise `NoAnswer` if the model ended after thinking; the caller looks for calls in that. Closing the generator
        cancels the chat, stops the generation on the site, and frees all its resources. After `Finish` the caller runs
        the generator to its end, or closes it: then the account is free again.
        """
        ...

    def models(self) -> Sequence[Model]:
        """Return the listed models, in order."""
        ...

    def model(self, name: str) -> Model:
        """Return the model that a client means by `name`, or raise `UnknownModel`."""
        ...

    def first_model(self) -> Model:
        """Return the model for other vendors' names, or raise `NoAccount` if no account has one."""
        ...

    def rate_limit(self, request: ChatRequest) -> RateLimit | None:
        """Return the limit on the number of chats like `request`, or None if there is none."""
        ...

    def place_in_queue(self, request: ChatRequest) -> int | None:
        """Return a waiting chat's place in the queue, None if it does not wait; of several choices, the first one's."""
        ...

    async def is_live(self, token: str) -> bool:
        """Tell whether a client's own login is still valid, without sending a chat."""
        ...

    def unready(self) -> str | None:
        """Return why the backend can take no chat now, or None if it can."""
        ...

    def accounts(self) -> Sequence[Account]:
        """Return the states of the accounts."""
        ...

    async def check(self, name: str) -> Account:
        """Open a parked account at once and return its state; nothing is sent.

        Raise `UnknownAccount` if there is none of that name.
        """
        ...
