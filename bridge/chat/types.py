"""The vocabulary: a chat is a `ChatRequest` in and a stream of `ChatEvent`s out.

Every other module translates at one end of that sentence or carries in the middle. The two worlds, the
browser's and the HTTP server's, meet only in the `ChatBackend` protocol of this module.
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
"""How an answer's conversation started: it goes on, or it is a new one.

A known one was left because it is full (`context`), because its account could not answer in time (`account`), or
because the site does not have it any more (`lost`).
"""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file beside a message's text; `param` is the field of the request that it came from.

    Its bytes are in `data`, or where they are on disk already, at `path`; then size and digest come with it.
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
    """One message of the history: plain text, and the files beside it."""

    role: Role
    text: str
    attachments: tuple[Attachment, ...] = ()
    teaches_tools: bool = field(default=False, compare=False)
    """Whether it is the bridge's own text about the tools: a paragraph with all their names, and one for each."""


@dataclass(frozen=True, slots=True)
class Model:
    """A name that clients ask for, and what it switches on; `show` says where thinking and sources go.

    `separate` gives thinking in a field of its own, `fold` puts it into the answer as a `<details>` block,
    `silent` gives out neither thinking nor sources.
    """

    id: str
    thinking: bool = False
    search: bool = False
    show: Show = "separate"
    context_length: int | None = None
    """The most tokens that the site takes, where that is known."""
    longest: int | None = field(default=None, compare=False)
    """Characters that the texts of a request may have together, since more can never be sent; None: no limit."""
    files: bool = False
    """Whether messages may bring files and images."""
    aliases: tuple[str, ...] = field(default=(), compare=False)
    """Further names that clients are preset to."""
    vocabulary: str = field(default="", compare=False)
    """The name of the vocabulary that counts its tokens (`tokens.vocabularies`); without one they are estimated."""
    base: str = field(default="", compare=False)
    """The site's own name of it; empty where that is `id`."""
    can_think: bool = field(default=True, compare=False)
    """Whether thinking can be switched on."""
    can_search: bool = field(default=True, compare=False)
    """Whether web search can be switched on."""

    @property
    def variant(self) -> str:
        """Return what is asked of the site, whatever the client called it: there are only so many of these."""
        on = (("think", self.thinking), ("search", self.search))
        return "-".join((self.base or self.id, *(word for word, is_on in on if is_on)))


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat to be answered: the whole history, the last message being the new one."""

    id: str
    model: Model
    messages: tuple[Message, ...]
    conversation: str | None = None
    """The client's name for the conversation to go on in, `<conversation>@<message>`; then only what is new is sent."""
    returned: Callable[[str], str] = field(default=str, compare=False, repr=False)
    """What the client will send back as the assistant's message, of the answer's whole text as the site gave it."""
    unseen: int = 0
    """How many of the last messages the client does not have and will not send back."""
    tokens: tuple[str, ...] = field(default=(), repr=False)
    """Logins of the client's own: only their accounts may answer, and no chat without one may use those."""
    prompt_tokens: int = field(default=0, compare=False)
    """Tokens of the messages, where they were counted."""
    dialect: str = field(default="", compare=False)
    """The API by which it came."""
    trace_parent: str = field(default="", compare=False)
    """The client's `traceparent`, in the form of the W3C."""
    peer: str = field(default="", compare=False, repr=False)
    """Where the client is; limits on what strangers may try count by it."""
    caller: Caller = field(default=ANYBODY, compare=False)
    """Whose key it came with."""
    start_within: float | None = field(default=None, compare=False)
    """Seconds in which it must have an account, where the client says so; `pool.queue_limit` bounds it, too."""
    is_brief: bool = field(default=False, compare=False)
    """Whether another node has it and goes on elsewhere where it has no account within that time."""
    may_start: Callable[[], Awaitable[None]] | None = field(default=None, compare=False, repr=False)
    """Awaited once it has an account, and before anything is sent; what it raises ends the chat."""


@dataclass(frozen=True, slots=True)
class Source:
    """A page that the site's search found; `number` is how the answer's `[citation:N]` marks name it."""

    number: int
    url: str
    title: str = ""
    snippet: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """The site has taken the prompt: the first event of every answer, before any text."""

    conversation: str | None = None
    message: str | None = None
    prompt_tokens: int = field(default=0, compare=False)
    """Tokens of the prompt, where they are counted already."""
    start: ConversationStart | None = field(default=None, compare=False)
    """Whether the answer goes on in a known conversation, or why it does not, where that is known."""
    place: int | None = field(default=None, compare=False)
    """The chat's place in the queue when it came; 0: an account was free."""


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
    """What a search found; `queries` or `sources` may come alone, and more may follow."""

    queries: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class Title:
    """The title that the site gave the conversation."""

    text: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The site took back all text so far and put `text` in its place."""

    text: str


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The site has changed text of the answer that it had sent before; `text` is all of the answer so far.

    A client that has the earlier text cannot be told: its stream ends with an error. A whole answer has the new text.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of the answer; always the last event."""

    reason: FinishReason = "stop"


ChatEvent = Opened | Thinking | Text | Searched | Title | Withdrawn | Rewritten | Finish


class ChatBackend(Protocol):
    """What an HTTP surface needs of whatever answers chats."""

    def chat(self, request: ChatRequest) -> AsyncGenerator[ChatEvent]:
        """Yield the answer's events: `Opened` first, `Finish` last; raise a `BridgeError` instead of ending early.

        `NoAnswer` is raised where the model ended after thinking; the caller looks for calls in that. Closing the
        generator gives the chat up, stops the generation on the site, and frees everything it held. After `Finish` the
        caller runs the generator to its end, or closes it: then the account is given back.
        """
        ...

    def models(self) -> Sequence[Model]:
        """Return the models that are listed, in the order of listing."""
        ...

    def model(self, name: str) -> Model:
        """Return the model a client asked for by `name`, or raise `UnknownModel`."""
        ...

    def first_model(self) -> Model:
        """Return the model that other vendors' names can stand for, or raise `NoAccount` where nobody has any."""
        ...

    def rate_limit(self, request: ChatRequest) -> RateLimit | None:
        """Return what is left for chats like `request`, or None where nothing limits their number."""
        ...

    def place_in_queue(self, request: ChatRequest) -> int | None:
        """Return the place in the queue of a chat that waits now; of several choices the first one's."""
        ...

    async def is_live(self, token: str) -> bool:
        """Tell whether a login of the client's own still counts, without sending a chat."""
        ...

    def unready(self) -> str | None:
        """Return why no chat could be taken now, or None when one could."""
        ...

    def accounts(self) -> Sequence[Account]:
        """Return how the accounts stand."""
        ...

    async def check(self, name: str) -> Account:
        """Open a parked account again at once, and return how it stands then; nothing is sent.

        Raises `UnknownAccount` where there is none of that name.
        """
        ...
