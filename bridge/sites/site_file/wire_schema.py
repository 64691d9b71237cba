"""The network's half of a site file: the request that carries the prompt, the frames of the answer, the refusals."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import regex
from pydantic import AfterValidator, Field, model_validator

from bridge.sites.site_file.body_codecs import Codec
from bridge.sites.site_file.conditions import Entry, Path, Pattern, Plain, When


def _mark(text: str) -> str:
    try:
        pattern = regex.compile(text)
    except regex.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    if pattern.match(""):
        raise ValueError("it fits an empty text")
    return text


Mark = Annotated[str, AfterValidator(_mark)]
"""A regular expression for something short within a text that arrives in pieces."""


class Flag(Entry):
    """What a switch makes the request say; false also stands for a field that is absent or null."""

    path: Path = Field(description="where the request says it")
    on: Plain | tuple[Plain, ...] = Field(True, description="value, or one of several, where the switch is on")
    off: Plain | tuple[Plain, ...] = Field(False, description="value, or one of several, where it is off")


class Call(Entry):
    """One of the page's own requests."""

    path: str = Field(description="path of the address; `*` stands for anything")
    method: Literal["GET", "POST", "PUT", "WEBSOCKET"] = Field(
        "POST", description="WEBSOCKET: a message on a socket of that path; of socket.io a POST by polling, too"
    )
    host: str | None = Field(None, description="host where it is not the site's own")
    when: When = Field({}, description="conditions on its body, read by the codec of [request]")


class Request(Call):
    """The request that carries the prompt. What is checked of it is what the site file names."""

    body: Codec = Field("json", description="how its body is written; socketio: an event of socket.io, `42[...]`")
    prompt: tuple[Path, ...] = Field(
        min_length=1, description="where the prompt is: each of these that is there has it, and has nothing else"
    )
    conversation: Path | None = Field(None, description="`$query.NAME` and `$path.N` read the address")
    creates_first: bool = Field(
        False, description="whether the page creates a conversation by a call of its own, so that a new one has an id"
    )
    parent: Path | None = Field(None, description="the answer that the prompt follows; a new conversation has none")
    model: Path | None = Field(None, description="the page's name of the model; see `wire` of [[models]]")
    thinking: Flag | None = Field(None, description="what it says of thinking")
    search: Flag | None = Field(None, description="what it says of web search")
    files: Path | None = Field(None, description="the prompt's files: there must be as many as were uploaded for it")
    expect: When = Field({}, description="what must hold as well, such as a mode of the page that no turn asks for")
    repeats: int = Field(1, ge=1, le=5, description="how often the page may send it in one turn")
    calls: tuple[str, ...] = Field((), description="paths of the page's own calls on the way to it; `*` is anything")
    others: tuple[Call, ...] = Field(
        (),
        description="requests to the same path that are let through, unless [request] has a `when` that holds",
    )


Emit = Literal[
    "text", "thinking", "current", "search", "source", "title", "conversation", "message", "image", "withdrawn",
    "finish", "error", "channel", "ignore",
]  # fmt: skip
Kind = Literal["text", "thinking", "none"]
"""Where pieces of text go: to the answer, to its reasoning, or nowhere."""


class Rule(Entry):
    """What a frame means. Rules are tried in order; all whose conditions hold and whose value is there apply."""

    each: Path | None = Field(None, description="the rule is tried on each of these values, and its paths begin there")
    when: When = Field({}, description="conditions on the frame; `$event`, `$payload` and `$url` are there, too")
    event: str | None = Field(None, description="name of the server-sent event")
    emit: Emit = Field(description="what the value is; ignore: the frame is known, and says nothing")
    value: Path | None = Field(None, description="where the value is; of several the texts are joined by `join`")
    join: str = Field("", description="what stands between several texts")
    mode: Literal["delta", "cumulative", "set", "auto"] = Field(
        "delta", description="delta adds; cumulative is the whole part so far; set replaces it; auto tells by its start"
    )
    key: Path | None = Field(None, description="what part the value belongs to; parts stand in order of arrival")
    part: str = Field("", description="name of the part where no `key` tells it")
    parent: Path | None = Field(None, description="key of a part that `emit = channel` has named: its channel counts")
    channel: Kind | None = Field(
        None,
        description="emit = channel: where values of `emit = current` go from here on; with `key`, where those go whose"
        " `parent` that is",
    )
    fields: dict[Literal["url", "title", "snippet", "name"], Path] = Field(
        {}, description="emit = source: where its fields are below each value; a `name` is what citations call it"
    )
    reason: Literal["stop", "length", "content_filter"] = Field("stop", description="emit = finish: why it is over")
    last: bool = Field(False, description="no rule after this one is tried on the same frame, or value of `each`")

    @model_validator(mode="after")
    def _has_value(self) -> Self:
        if self.value is None and self.emit not in ("finish", "error", "ignore", "channel"):
            raise ValueError(f"value is missing: it says where the {self.emit} is")
        if self.emit == "channel" and self.channel is None:
            raise ValueError("channel is missing: it says where the text goes")
        if self.emit == "source" and "url" not in self.fields:
            raise ValueError("fields.url is missing: a source has an address")
        return self


class Answer(Entry):
    """The responses that carry the answer."""

    framing: Literal["sse", "ndjson", "connect", "json", "websocket", "socketio", "text"] = Field(
        description="websocket: each message is a frame; socketio: its events, over the socket and by long polling"
    )
    payload: Literal["json", "text", "base64"] = Field(
        "json", description="what a frame holds; text and base64 are read by the path `$text`"
    )
    call: Call | None = Field(
        None, description="the request whose response it is, where that is not the prompt's own; the rules read both"
    )
    polled: bool = Field(
        False,
        description="whether the page asks again and again (long polling): the end of a response is not that of the"
        " answer",
    )
    opened: Literal["after", "before"] = Field(
        "after",
        description="before: on a channel that was open already and brings what belongs to other chats, too, as a"
        " WebSocket does: only text is a sign of life, and an end before it may be that of the chat before",
    )
    end_markers: tuple[str, ...] = Field(("[DONE]",), description="payloads that end the answer and are no document")
    dedupe: Path | None = Field(None, description="a number that rises; a frame whose number came before is dropped")
    holds: int = Field(0, ge=0, le=4096, description="characters at the end that the site is known to rewrite")
    ends_on_close: bool = Field(False, description="whether the end of the response ends the answer in good order")
    then_wait: float = Field(0.0, ge=0, le=10, description="seconds after the end in which an error may follow")
    is_for: Path | None = Field(None, description="what must equal the request's value at `is_for_request`")
    is_for_request: Path | None = Field(None, description="where the request names what its frames are for")
    strip: tuple[Mark, ...] = Field((), description="marks that are taken out of the text, wherever it was cut")
    strip_thinking: tuple[Mark, ...] = Field((), description="the same for the reasoning")
    citation: Mark | None = Field(None, description="a mark of the text that names a source by its group 1")
    rules: tuple[Rule, ...] = Field(min_length=1, description="what frames mean")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.is_for is None) is not (self.is_for_request is None):
            raise ValueError("give both is_for and is_for_request, or neither")
        if self.polled and self.call is None:
            raise ValueError("call is missing: it says what the page asks for again and again")
        if self.citation and not regex.compile(self.citation).groups:
            raise ValueError("citation has no group: what it holds is how sources are named")
        return self


ErrorKind = Literal["login", "human", "rate", "quota", "muted", "busy", "refused", "too_long", "file", "changed"]


class Refusal(Entry):
    """How the site refuses, and what that means."""

    kind: ErrorKind = Field(description="what it means for the account, and for the chat")
    status: tuple[int, ...] = Field((), description="HTTP status of the response")
    when: When = Field(
        {}, description="conditions on a frame, a JSON body or one of the page's own calls; `$status` too"
    )
    page_text: Pattern | None = Field(None, description="what a notice of the page says")
    message: Path | None = Field(None, description="where the site's own words are")
    retry_after: float | None = Field(None, ge=0, le=86400, description="seconds until the account may try again")
    until: Path | None = Field(None, description="where the time is at which it may, in (milli)seconds since 1970")

    @model_validator(mode="after")
    def _has_condition(self) -> Self:
        if not (self.status or self.when or self.page_text):
            raise ValueError("give status, when or page_text")
        return self


class Poll(Entry):
    """A job whose state the page asks for again and again until it is done."""

    call: Call = Field(description="the request that asks for the state")
    job: Path = Field(description="where the answer to the prompt names the job")
    record: Path = Field(description="where the job's record is in an answer of `call`; `{job}` stands for its name")
    done: When = Field(description="conditions on the record; all must hold")
    failed: When = Field({}, description="conditions on the record; all must hold")
    message: Path | None = Field(None, description="where the record says why it failed")
    media: Path | None = Field(None, description="addresses of what was made")
    count: Path | None = Field(None, description="how many were asked for: fewer are not the end")
