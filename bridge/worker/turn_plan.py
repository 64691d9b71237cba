"""Plans the turns of a chat: what the page sends, with limits on files and on the length of the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from bridge.background import PIECE
from bridge.chat import prompt
from bridge.chat.history_digests import LONGEST, split
from bridge.chat.text_direction import changes
from bridge.chat.types import Attachment, ChatRequest, Message, Model
from bridge.errors import ContextTooLong, FileTooLarge, RequestError
from bridge.settings import FileSettings
from bridge.sites.contract import SiteDriver, Turn
from bridge.storage.conversation_file import ConversationPosition
from bridge.storage.conversation_tokens import new_messages

LONG_NAME = "prompt.txt"
LONGEST_ATTACHED = 6_000_000
"""Characters of the longest prompt that is sent as a file: more than the models read, at up to 4 bytes each."""
LONG_PROMPT = f"My whole message is in the attached file {LONG_NAME}. Read all of it, and answer it as if typed."


def models_of(driver: type[SiteDriver], settings: FileSettings) -> tuple[Model, ...]:
    """Return the base models of a site, with the most text that a request may have.

    That is a prompt, typed or attached, after the longest history that is recognized and not sent again.
    """
    limit = settings.prompt_limit or driver.prompt_limit
    if limit is None:
        return driver.models
    is_attached = settings.long_prompts == "attach" and _takes_files(driver)
    most = max(limit, min(settings.max_prompt_bytes, LONGEST_ATTACHED)) if is_attached else limit
    return tuple(replace(model, longest=most + LONGEST) for model in driver.models)


def turns_of(
    request: ChatRequest, place: ConversationPosition | None, driver: type[SiteDriver], settings: FileSettings
) -> list[Turn]:
    """Return the turns to try, the best first; raise a `ContextTooLong` if none can fit."""
    messages = request.messages
    if place is None:
        _check_size(_least(messages), driver, settings)
        return [_turn(request, _with_room(messages, driver, settings))]
    new = new_messages(request, place)
    _check_size(_least(new), driver, settings)
    next_one = replace(_turn(request, new, goes_on=True), conversation=place.conversation, parent=place.message)
    if request.conversation is not None:
        return [next_one]
    return [next_one, _turn(request, _with_room(messages, driver, settings))]


def _with_room(messages: Sequence[Message], driver: type[SiteDriver], settings: FileSettings) -> Sequence[Message]:
    """Return the messages without the oldest files of the history, if those are too many or too large together.

    Clients resend their whole history, and cannot leave anything out.
    """
    old, new = split(messages)
    is_attached = _excess(_least(messages), driver, settings) is not None
    count = settings.max_prompt_files - is_attached - sum(len(message.attachments) for message in new)
    size = settings.max_prompt_bytes - sum(file.size for message in new for file in message.attachments)
    kept: list[Message] = []
    for message in reversed(old):
        files: list[Attachment] = []
        for file in reversed(message.attachments):
            count, size = count - 1, size - file.size
            files += [file] if count >= 0 and size >= 0 else []
        left_out = [prompt.LEFT_OUT] * (len(message.attachments) - len(files))
        text = "\n".join(filter(None, (message.text, *left_out)))
        kept.append(replace(message, text=text, attachments=tuple(reversed(files))))
    return (*reversed(kept), *new)


def _turn(request: ChatRequest, messages: Sequence[Message], *, goes_on: bool = False) -> Turn:
    files = tuple(attachment for message in messages for attachment in message.attachments)
    text = prompt.render(messages, goes_on=goes_on)
    model = request.model
    return Turn(text, model.thinking, model.search, attachments=files, model=model.base or model.id)


def fitted(turn: Turn, driver: type[SiteDriver], settings: FileSettings) -> Turn:
    """Return the turn in a form that the site accepts; raise a `RequestError` that names an exceeded limit.

    Blocks: it scans prompts of megabytes, so it must run in a thread.
    """
    size = _Size(_length(turn.prompt), 1 + _breaks(turn.prompt))
    if not _excess(size, driver, settings):
        size = size._replace(changes=changes(turn.prompt))
    _check_size(size, driver, settings)
    if _excess(size, driver, settings):
        text = Attachment(LONG_NAME, "text/plain", turn.prompt.encode("utf-8", "replace"))
        turn = replace(turn, prompt=LONG_PROMPT, attachments=(text, *turn.attachments))
    if turn.attachments:
        _check(turn.attachments, driver, settings)
    return turn


class _Size(NamedTuple):
    """The size of the text that a page has to lay out."""

    length: int
    lines: int
    changes: int = 0
    """Changes of the direction of writing."""


def _check_size(size: _Size, driver: type[SiteDriver], settings: FileSettings) -> None:
    """Raise a `ContextTooLong` if a prompt of that size can be neither typed nor attached."""
    excess = _excess(size, driver, settings)
    is_attached = settings.long_prompts == "attach" and _takes_files(driver) and size.length <= LONGEST_ATTACHED
    if excess and not is_attached:
        raise ContextTooLong(f"The prompt has {excess}; shorten the messages.", param="messages")


def _excess(size: _Size, driver: type[SiteDriver], settings: FileSettings) -> str | None:
    """Return which limit of the page a prompt exceeds, or None."""
    limit = settings.prompt_limit or driver.prompt_limit
    if limit is not None and size.length > limit:
        return f"{size.length} characters, and the site takes {limit}"
    if (most := driver.prompt_lines) is not None and size.lines > most:
        return f"{size.lines} lines, and the site's page takes {most}"
    if (most := driver.direction_changes) is not None and size.changes > most:
        what = "changes between right-to-left and left-to-right writing in a line, or as much work in several"
        return f"{size.changes} {what}, and the site's page takes {most}"
    return None


def _check(attachments: tuple[Attachment, ...], driver: type[SiteDriver], settings: FileSettings) -> None:
    first = attachments[0]
    if not _takes_files(driver):
        raise RequestError(f"The site of this model takes no files, such as '{first.name}'.", param=first.param)
    if len(attachments) > (most := settings.max_prompt_files):
        message = f"The prompt has {len(attachments)} files, and may have {most} (files.max_prompt_files)."
        raise RequestError(message, param=attachments[most].param)
    total = sum(attachment.size for attachment in attachments)
    if total > (most := settings.max_prompt_bytes):
        message = f"The files have {total} bytes together, and may have {most} (files.max_prompt_bytes)."
        raise FileTooLarge(message, param=attachments[-1].param)


def _takes_files(driver: type[SiteDriver]) -> bool:
    return any(model.files for model in driver.models)


def _length(text: str) -> int:
    """Return the length in UTF-16 code units, as a page counts it."""
    pieces = (text[place : place + PIECE] for place in range(0, len(text), PIECE))
    return (
        len(text) if text.isascii() else sum(len(piece.encode("utf-16-le", "surrogatepass")) // 2 for piece in pieces)
    )


def _least(messages: Sequence[Message]) -> _Size:
    """Return the least characters and lines of a prompt of the messages."""
    texts = [message.text for message in messages]
    return _Size(sum(map(len, texts)), 1 + sum(map(_breaks, texts)))


def _breaks(text: str) -> int:
    """Return the number of line breaks of the text in a text box."""
    return text.count("\n") + text.count("\r") - text.count("\r\n")
