"""Checks the requests that the page wants to send against its site file; no I/O.

The reasons never quote a text: they name the path, and show switches and numbers at most.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal
from urllib.parse import urlsplit

from bridge.browser.page_messages import SOCKET, PageRequest
from bridge.sites.contract import Turn
from bridge.sites.prompt_text import difference
from bridge.sites.site_file.body_codecs import ReadRequest
from bridge.sites.site_file.conditions import Plain, holds
from bridge.sites.site_file.json_paths import JsonPath, as_id, same
from bridge.sites.site_file.schema import SiteFile, SiteModel
from bridge.sites.site_file.sent_messages import SentMessages, is_at_call, is_call
from bridge.sites.site_file.wire_schema import Flag

_NO_PARENT = ("", "0")
"""Values that mean that there is no previous message, besides a field that is absent or null."""


class PromptCheck:
    """The check of requests by one site file; keeps no state of a turn."""

    def __init__(self, site: SiteFile) -> None:
        self._request = site.request
        self._messages = SentMessages(site.request)
        self._others = tuple(map(self._messages.as_sent, site.request.others))
        calls = (site.answer.call, site.poll.call if site.poll else None)
        self._answers = tuple(call for call in calls if call)
        self._polled = tuple(call for call in (site.request, site.answer.call) if call and site.is_socketio(call))
        self._provisional = site.provisional
        self._prompts = tuple(JsonPath(path) for path in site.request.prompt)

    def role_of(self, request: PageRequest) -> Literal["prompt", "answer", "other"]:
        """Return the role of a held request; one that the site file does not describe counts as a prompt."""
        if role := self._role_of_poll(request):
            return role
        sent, messages = self._messages.read(request)
        roles = {self._role_of_message(sent, one) for one in messages}
        return "prompt" if "prompt" in roles else "answer" if "answer" in roles else "other"

    def _role_of_poll(self, request: PageRequest) -> Literal["answer", "other"] | None:
        """Return the role of a long-polling request without a prompt, which fetches or posts pongs; else None."""
        if request.method == SOCKET or not any(is_at_call(call, request.url) for call in self._polled):
            return None
        if request.method.upper() == "GET":
            return "answer"
        return None if is_at_call(self._request, request.url) else "other"

    def _role_of_message(self, request: PageRequest, read: ReadRequest) -> Literal["prompt", "answer", "other"]:
        own = self._messages.own
        if own.when and is_call(own, request, read):
            return "prompt"  # `when` is more specific than a path, so `others` may name all the rest
        if any(is_call(call, request, read) for call in self._others):
            return "other"
        if is_call(own, request, read):
            return "prompt"
        return "answer" if any(is_call(call, request, read) for call in self._answers) else "prompt"

    def differences(self, turn: Turn, request: PageRequest, model: SiteModel | None = None) -> Sequence[str]:
        """Return how a request differs from the one for `turn`; empty means that it may be sent."""
        sent, messages = self._messages.read(request)
        prompts = self._messages.prompts(sent, messages)
        if len(prompts) > 1 or not messages or (prompts and prompts[0].document is None):
            return [f"its body cannot be read as {self._request.body}"]
        if not prompts or any(self._role_of_message(sent, one) == "prompt" for one in messages if one not in prompts):
            return [f"an unexpected request: {request.method} {urlsplit(request.url).path[:200]}"]
        others = [f"its {what}" for what in self._wrong(turn, prompts[0], model)]
        return [*self._wrong_prompt(turn, prompts[0]), *others]

    def _wrong(self, turn: Turn, read: ReadRequest, model: SiteModel | None) -> list[str]:
        return [
            *self._wrong_flags(turn, read),
            *self._wrong_place(turn, read),
            *self._wrong_model(model, read),
            *self._wrong_files(turn, read),
            *self._unexpected(read),
        ]

    def conversation_of(self, request: PageRequest) -> str | None:
        """Return the conversation id in a request; an id that the site did not assign does not count."""
        conversation = _id_at(self._request.conversation, self._messages.prompt(request))
        return conversation if conversation and not self.is_provisional(conversation) else None

    def is_provisional(self, conversation: str) -> bool:
        """Tell whether an id is one that the page uses until the site assigns one."""
        return any(fnmatchcase(conversation, pattern) for pattern in self._provisional)

    def _wrong_prompt(self, turn: Turn, read: ReadRequest) -> list[str]:
        found = [(path.text, path.values(read.document, read.variables)) for path in self._prompts]
        if not any(values for _, values in found):
            return [f"its prompt is missing at {self._prompts[0].text}"]
        wrong = [_wrong_text(path, values, turn.prompt) for path, values in found if values]
        return [reason for reason in wrong if reason]

    def _wrong_flags(self, turn: Turn, read: ReadRequest) -> list[str]:
        flags = ((self._request.thinking, turn.thinking), (self._request.search, turn.search))
        return [reason for flag, wanted in flags if flag and (reason := _wrong_flag(flag, wanted, read))]

    def _wrong_place(self, turn: Turn, read: ReadRequest) -> list[str]:
        rules = self._request
        conversation, parent = _id_at(rules.conversation, read), _id_at(rules.parent, read)
        found: list[str] = []
        if turn.conversation is None:
            if conversation and not (rules.creates_first or self.is_provisional(conversation)):
                found.append(f"{rules.conversation} belongs to an old conversation")
            if parent not in _NO_PARENT:
                found.append(f"{rules.parent} belongs to an old conversation")
        elif rules.conversation and conversation != turn.conversation:
            found.append(f"{rules.conversation} is another conversation")
        if turn.conversation and turn.parent is not None and rules.parent and parent != turn.parent:
            found.append(f"{rules.parent} is another message")
        return found

    def _wrong_model(self, model: SiteModel | None, read: ReadRequest) -> list[str]:
        if not (self._request.model and model and model.wire):
            return []
        named = _id_at(self._request.model, read)
        if named in model.wire:
            return []
        said = named if _MODEL_NAME.fullmatch(named) else "another one"
        return [f"{self._request.model} is {said} instead of {' or '.join(model.wire)}"]

    def _wrong_files(self, turn: Turn, read: ReadRequest) -> list[str]:
        if self._request.files is None:
            return []
        carried = len(JsonPath(self._request.files).values(read.document, read.variables))
        wanted = len(turn.attachments)
        return [] if carried == wanted else [f"{self._request.files} has {carried} files instead of {wanted}"]

    def _unexpected(self, read: ReadRequest) -> list[str]:
        expected = self._request.expect.items()
        wrong = [path for path, wanted in expected if not holds({path: wanted}, read.document, read.variables)]
        return [f"{path} is not what the site file expects" for path in wrong]


_MODEL_NAME = re.compile(r"[\w.:/-]{1,64}")


def _wrong_text(path: str, values: list[Any], prompt: str) -> str | None:
    """Return why the texts at a path are not exactly the prompt, or None."""
    if len(values) > 1:
        return f"its {path} has {len(values)} texts instead of the prompt alone"
    text = values[0]
    if not isinstance(text, str):
        return f"its {path} is not a text"
    return difference(path, text, prompt)


def _wrong_flag(flag: Flag, wanted: bool, read: ReadRequest) -> str | None:
    choices = _choices(flag.on if wanted else flag.off)
    values = JsonPath(flag.path).values(read.document, read.variables)
    if not values:
        is_right = any(choice is False for choice in choices)
    else:
        is_right = all(any(same(value, choice) for choice in choices) for value in values)
    if is_right:
        return None
    return f"{flag.path} is {_quoted(values)} instead of {' or '.join(map(repr, choices))}"


def _choices(value: Plain | tuple[Plain, ...]) -> tuple[Plain, ...]:
    return value if isinstance(value, tuple) else (value,)


def _id_at(path: str | None, read: ReadRequest) -> str:
    return as_id(JsonPath(path).first(read.document, read.variables)) if path else ""


def _quoted(values: list[Any]) -> str:
    """Return a switch or a number as it is, and only the type of anything else."""
    match values:
        case []:
            return "missing"
        case [bool() as value]:
            return repr(value)
        case [int() as value]:
            return as_id(value)
        case [value]:
            return type(value).__name__
        case _:
            return f"{len(values)} values"
