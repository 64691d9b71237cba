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
        raise ValueError("it matches an empty text")
    return text


Mark = Annotated[str, AfterValidator(_mark)]
"""A regular expression for something short within a text that arrives in pieces."""


class Flag(Entry):
    """The value that a switch sets in the request; false also stands for a field that is absent or null."""

    path: Path = Field(description="where the request has it")
    on: Plain | tuple[Plain, ...] = Field(True, description="value, or one of several, while the switch is on")
    off: Plain | tuple[Plain, ...] = Field(False, description="value, or one of several, while it is off")


class Call(Entry):
    """One of the page's own requests."""

    path: str = Field(description="path of the address; `*` stands for anything")
    method: Literal["GET", "POST", "PUT", "WEBSOCKET"] = Field(
        "POST", description="WEBSOCKET: a message on a socket with that path; with socket.io also a polling POST"
    )
    host: str | None = Field(None, description="its host, if that is not the site's own")
    when: When = Field({}, description="conditions on its body, read by the codec of [request]")


class Request(Call):
    """The request that carries the prompt. The bridge checks the parts that the site file names."""

    body: Codec = Field("json", description="format of its body; socketio: an event of socket.io, `42[...]`")
    prompt: tuple[Path, ...] = Field(
        min_length=1, description="where the prompt is: each of these that exists must hold it and nothing else"
    )
    conversation: Path | None = Field(None, description="`$query.NAME` and `$path.N` read the address")
    creates_first: bool = Field(
        False, description="whether the page creates a conversation in a separate call, so that a new one has an id"
    )
    parent: Path | None = Field(None, description="the answer that the prompt follows; a new conversation has none")
    model: Path | None = Field(None, description="the page's name of the model; see `wire` of [[models]]")
    thinking: Flag | None = Field(None, description="its value for thinking")
    search: Flag | None = Field(None, description="its value for web search")
    files: Path | None = Field(None, description="the prompt's files: there must be as many as were uploaded for it")
    expect: When = Field({}, description="further conditions, such as a mode of the page that must be off")
    repeats: int = Field(1, ge=1, le=5, description="how often the page may send it in one turn")
    calls: tuple[str, ...] = Field((), description="paths of the calls that the page makes before it; `*` is anything")
    others: tuple[Call, ...] = Field(
        (),
        description="requests to the same path that may pass, unless [request] has a `when` that holds",
    )


Emit = Literal[
    "text", "thinking", "current", "search", "source", "title", "conversation", "message", "image", "withdrawn",
    "finish", "error", "channel", "ignore",
]  # fmt: skip
Kind = Literal["text", "thinking", "none"]
"""Where pieces of text go: to the answer, to its reasoning, or nowhere."""


class Rule(Entry):
    """What a frame means. Rules are tried in order; all whose conditions hold and whose value exists apply."""

    each: Path | None = Field(None, description="the rule is tried on each of these values, and its paths begin there")
    when: When = Field({}, description="conditions on the frame; `$event`, `$payload` and `$url` are available, too")
    event: str | None = Field(None, description="name of the server-sent event")
    emit: Emit = Field(description="what the value is; ignore: the frame is known and has no meaning")
    value: Path | None = Field(None, description="where the value is; several texts are joined by `join`")
    join: str = Field("", description="the separator of several texts")
    mode: Literal["delta", "cumulative", "set", "auto"] = Field(
        "delta",
        description="delta adds; cumulative is the whole part so far; set replaces it; auto decides by its beginning",
    )
    key: Path | None = Field(None, description="the part that the value belongs to; parts are in order of arrival")
    part: str = Field("", description="name of the part, if no `key` gives it")
    parent: Path | None = Field(None, description="key of a part that `emit = channel` has named: its channel counts")
    channel: Kind | None = Field(
        None,
        description="emit = channel: where values of `emit = current` go from here on; with `key`, where those with"
        " that `parent` go",
    )
    fields: dict[Literal["url", "title", "snippet", "name"], Path] = Field(
        {}, description="emit = source: where its fields are below each value; citations refer to it by its `name`"
    )
    reason: Literal["stop", "length", "content_filter"] = Field("stop", description="emit = finish: why it ended")
    last: bool = Field(False, description="no later rule is tried on the same frame, or value of `each`")

    @model_validator(mode="after")
    def _has_value(self) -> Self:
        if self.value is None and self.emit not in ("finish", "error", "ignore", "channel"):
            raise ValueError(f"value is missing: it gives the path of the {self.emit}")
        if self.emit == "channel" and self.channel is None:
            raise ValueError("channel is missing: it decides where the text goes")
        if self.emit == "source" and "url" not in self.fields:
            raise ValueError("fields.url is missing: a source has an address")
        return self


class Answer(Entry):
    """The responses that carry the answer."""

    framing: Literal["sse", "ndjson", "connect", "json", "websocket", "socketio", "text"] = Field(
        description="websocket: each message is a frame; socketio: its events, over the socket and by long polling"
    )
    payload: Literal["json", "text", "base64"] = Field(
        "json", description="format of a frame; rules read text and base64 by the path `$text`"
    )
    call: Call | None = Field(
        None, description="the request for it, if that is not the prompt's own; the rules read both responses"
    )
    polled: bool = Field(
        False,
        description="whether the page repeats the request (long polling): the end of a response is not that of the"
        " answer",
    )
    opened: Literal["after", "before"] = Field(
        "after",
        description="before: on a channel that was already open and carries data of other chats, too, as a WebSocket"
        " does: only text is a sign of life, and an end before it may belong to the previous chat; the bridge waits"
        " up to 3 seconds for an `EventSource` or WebSocket to connect before it sends the prompt",
    )
    end_markers: tuple[str, ...] = Field(("[DONE]",), description="payloads that end the answer and are not documents")
    dedupe: Path | None = Field(None, description="a rising number; a frame whose number is not greater is dropped")
    holds: int = Field(0, ge=0, le=4096, description="characters at the end that the site is known to rewrite")
    ends_on_close: bool = Field(False, description="whether the end of the response is the proper end of the answer")
    then_wait: float = Field(0.0, ge=0, le=10, description="seconds after the end in which an error may follow")
    is_for: Path | None = Field(None, description="what must equal the request's value at `is_for_request`")
    is_for_request: Path | None = Field(None, description="where the request has the id that its frames repeat")
    strip: tuple[Mark, ...] = Field((), description="marks that are removed from the text, wherever it was split")
    strip_thinking: tuple[Mark, ...] = Field((), description="the same for the reasoning")
    citation: Mark | None = Field(None, description="a mark of the text that names a source by its group 1")
    rules: tuple[Rule, ...] = Field(min_length=1, description="what frames mean")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.is_for is None) is not (self.is_for_request is None):
            raise ValueError("give both is_for and is_for_request, or neither")
        if self.polled and self.call is None:
            raise ValueError("call is missing: it describes the request that the page repeats")
        if self.citation and not regex.compile(self.citation).groups:
            raise ValueError("citation has no group: the group must hold the name of the source")
        return self


ErrorKind = Literal["login", "human", "rate", "quota", "muted", "busy", "refused", "too_long", "file", "changed"]


class Refusal(Entry):
    """How the site refuses, and what that means."""

    kind: ErrorKind = Field(description="what it means for the account, and for the chat")
    status: tuple[int, ...] = Field((), description="HTTP status of the response")
    when: When = Field(
        {}, description="conditions on a frame, a JSON body or one of the page's own calls; `$status` too"
    )
    page_text: Pattern | None = Field(None, description="text of a notice on the page")
    message: Path | None = Field(None, description="where the site's own message is")
    retry_after: float | None = Field(None, ge=0, le=86400, description="seconds until the account may try again")
    until: Path | None = Field(None, description="where the time of the next try is, in (milli)seconds since 1970")

    @model_validator(mode="after")
    def _has_condition(self) -> Self:
        if not (self.status or self.when or self.page_text):
            raise ValueError("give status, when or page_text")
        return self


class Poll(Entry):
    """A job whose state the page polls until it is done."""

    call: Call = Field(description="the request for the state")
    job: Path = Field(description="where the response to the prompt has the job's id")
    record: Path = Field(description="where the job's record is in a response to `call`; `{job}` stands for its id")
    done: When = Field(description="conditions on the record; all must hold")
    failed: When = Field({}, description="conditions on the record; all must hold")
    message: Path | None = Field(None, description="where the record says why it failed")
    media: Path | None = Field(None, description="addresses of the generated media")
    count: Path | None = Field(None, description="how many were requested: with fewer the job is not done")
