"""The JSON format between nodes: requests, events, errors, models and accounts, both ways; no I/O.

A peer may run another version: unknown fields are ignored, and missing ones get their defaults.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import AwareDatetime, Field, TypeAdapter

from bridge import errors
from bridge.chat.account_status import Account
from bridge.chat.caller import Caller
from bridge.chat.types import (
    Attachment,
    ChatEvent,
    ChatRequest,
    Finish,
    Message,
    Model,
    Opened,
    Rewritten,
    Searched,
    Text,
    Thinking,
    Title,
    Withdrawn,
)
from bridge.errors import BridgeError, RequestError

T = TypeVar("T")
EVENTS: Mapping[str, type[Any]] = {
    kind.__name__: kind for kind in (Opened, Thinking, Text, Searched, Title, Withdrawn, Rewritten, Finish)
}
ERRORS: Mapping[str, type[BridgeError]] = {
    name: kind for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, BridgeError)
}
ARCHIVE, NAME = "application/zip", "X-Bridge-Name"
"""The content type of an archive, and the header with its name."""
PLAIN = ("id", "conversation", "unseen", "prompt_tokens", "dialect", "trace_parent", "peer", "start_within", "is_brief")
"""Fields of a request that JSON holds unchanged."""


class Unreadable(RequestError):
    """A message of another node that cannot be read."""


def _plain(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass without nested ones."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


@cache
def _form(kind: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(kind)


def made(kind: type[T], said: object) -> T:
    """Return a dataclass made of the fields that it has; raise a `ValueError` if one has another type."""
    form: TypeAdapter[T] = _form(kind)  # type: ignore[arg-type]
    return form.validate_python(said)


def model_as_json(model: Model) -> dict[str, Any]:
    """Return a model as JSON."""
    return _plain(model)


def model_of(said: Mapping[str, Any]) -> Model:
    """Return a model from another node's JSON."""
    return made(Model, said)


def account_as_json(account: Account) -> dict[str, Any]:
    """Return the state of an account as JSON."""
    error, plain = account.last_error, _plain(account)
    last = error and {"code": error.code, "message": error.message, "at": error.at.isoformat()}
    times = {name: moment and moment.isoformat() for name, moment in _times(account).items()}
    return {**plain, **times, "state": str(account.state), "last_error": last}


def _times(account: Account) -> Mapping[str, datetime | None]:
    return {"until": account.until, "last_seen": account.last_seen}


def account_of(said: Mapping[str, Any]) -> Account:
    """Return the state of another node's account; raise a `ValueError` or `TypeError` if it cannot be read."""
    empty: Mapping[str, Any] = {"reason": "", "until": None, "is_busy": False}
    account = made(Account, {**empty, **said})
    error = account.last_error
    times = [*_times(account).values(), *([error.at] if error else [])]
    if any(moment is not None and moment.tzinfo is None for moment in times):
        raise ValueError("a time has no time zone, so it cannot be compared")
    return account


def request_as_json(request: ChatRequest) -> tuple[dict[str, Any], Sequence[Attachment]]:
    """Return a request as JSON, and its files in order; `returned` is replaced by whether it changes the answer."""
    files = [file for message in request.messages for file in message.attachments]
    return {
        **{name: getattr(request, name) for name in PLAIN},
        "model": model_as_json(request.model),
        "caller": {**_plain(request.caller), "accounts": list(request.caller.accounts)},
        "messages": [_message_as_json(message) for message in request.messages],
        "returns_as_is": request.returned is str,
    }, files


def _message_as_json(message: Message) -> dict[str, Any]:
    files = [
        {"name": file.name, "media_type": file.media_type, "param": file.param, "size": file.size}
        for file in message.attachments
    ]
    return {"role": message.role, "text": message.text, "teaches_tools": message.teaches_tools, "files": files}


def request_of(said: Mapping[str, Any], data: bytes) -> ChatRequest:
    """Return another node's request, whose files are concatenated in `data`; raise `Unreadable` if it is invalid."""
    try:
        at, messages = 0, []
        for message in said["messages"]:
            files = []
            for file in message["files"]:
                size = int(file["size"])
                piece = data[at : at + size]
                files.append(Attachment(str(file["name"]), str(file["media_type"]), piece, str(file["param"])))
                at += size
            messages.append(replace(made(Message, {**message, "attachments": ()}), attachments=tuple(files)))
        if at != len(data):
            raise ValueError("the files have another size")
        return ChatRequest(
            model=model_of(said["model"]),
            caller=made(Caller, said["caller"]),
            messages=tuple(messages),
            **{name: said[name] for name in PLAIN if name in said},
        )
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise Unreadable(f"The chat of another node cannot be read ({type(error).__name__}).") from error


def event_line(event: ChatEvent) -> bytes:
    """Return an event as a line of JSON."""
    said = _plain(event)
    if isinstance(event, Searched):
        said["sources"] = [_plain(source) for source in event.sources]
    return line({"event": type(event).__name__, **said})


def error_line(error: BridgeError) -> bytes:
    """Return an error as a line of JSON."""
    return line({"error": error_as_json(error)})


def line(said: Mapping[str, Any]) -> bytes:
    """Return a line of ASCII JSON, so that text that is not valid UTF-8 (lone surrogates) survives."""
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"


def event_of(said: Mapping[str, Any]) -> ChatEvent:
    """Return the event of a line; raise a `ValueError` if it holds none."""
    try:
        event: ChatEvent = made(EVENTS[said["event"]], said)
        return event
    except (LookupError, TypeError) as error:
        raise ValueError("not an event") from error


def error_as_json(error: BridgeError) -> dict[str, Any]:
    """Return an error as JSON; a class that other nodes may not know becomes its nearest known base."""
    kind = next(base.__name__ for base in type(error).__mro__ if ERRORS.get(base.__name__) is base)
    return {
        "kind": kind,
        "message": error.message,
        "param": error.param,
        "retry_after": error.retry_after,
        "until": error.until and error.until.isoformat(),
        "sent": error.sent,
        "bundle": error.bundle,
    }


@dataclass(frozen=True, slots=True)
class _Error:
    """An error of another node."""

    kind: str
    message: str
    param: str | None = None
    retry_after: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    until: AwareDatetime | None = None
    sent: bool = False
    bundle: str = ""


def error_of(said: object) -> BridgeError:
    """Return the error of another node."""
    try:
        told = made(_Error, said)
        kind = ERRORS.get(told.kind, BridgeError)
        error = kind(told.message, param=told.param, retry_after=told.retry_after, until=told.until)
        return error.replace(sent=told.sent, bundle=told.bundle)
    except (TypeError, ValueError) as error:
        return BridgeError(f"The error of another node cannot be read ({type(error).__name__}).", sent=True)
