"""Reads the content of a message in its usual form: a text, or a list of text and file parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.api.attachments.file_parts import PARTS, read_attachment
from bridge.api.history_turns import left_out
from bridge.chat.types import Attachment, Role
from bridge.errors import RequestError
from bridge.tool_calls.notation import canonical

TEXT_PARTS = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "summary_text": "text",
    "reasoning_text": "text",
    "refusal": "refusal",
}
"""Types of text parts, with the field that holds the text."""
THOUGHTS = ("thinking", "redacted_thinking", "reasoning")
"""Types of parts that some clients send back and the model does not need again."""
BRING_FILES = ("user", "tool")
"""Roles whose files are uploaded; a picture from a tool counts like one from the user."""


def read_content(content: object, where: str, role: Role, *, is_new: bool) -> tuple[str, tuple[Attachment, ...]]:
    """Return text and files of a message; raise a `RequestError` that names a bad part of the user's new message."""
    if isinstance(content, list):
        read = [_part(part, f"{where}[{place}]", role, is_new=is_new) for place, part in enumerate(content)]
        texts = [part for part in read if isinstance(part, str)]
        return "\n".join(texts), tuple(part for part in read if isinstance(part, Attachment))
    if content is None or isinstance(content, str):
        return content or "", ()
    if role == "user" and is_new:
        raise RequestError(f"{where} must be a string or a list of parts.", param=where)
    return as_text(content), ()


def without_files(content: object) -> object:
    """Return the parts of a message's content that can become text."""
    return [part for part in content if not _is_file(part)] if isinstance(content, list) else content


def as_text(value: object) -> str:
    """Return a text unchanged, the text of a text part, and anything else as JSON."""
    if isinstance(value, dict) and isinstance(text := _text_of(value), str):
        return text
    return value if isinstance(value, str) else canonical(value)


def _part(part: Any, where: str, role: Role, *, is_new: bool) -> str | Attachment | None:
    """Return the text or file of a part; None for one without content for the model."""
    is_strict = is_new and role == "user"
    if not isinstance(part, dict):
        if is_strict:
            raise RequestError(f"{where} must be an object with a type.", param=where)
        return as_text(part)
    if _is_file(part):
        return _file(part, where, role, is_strict=is_strict)
    if isinstance(text := _text_of(part), str):
        return text
    if is_strict:
        raise _wrong_part(part.get("type", "text"), where)
    kind = part.get("type", "text")
    return None if kind in THOUGHTS else left_out(kind)


def _is_file(part: object) -> bool:
    return isinstance(part, dict) and isinstance(kind := part.get("type"), str) and kind in PARTS


def _text_of(part: Mapping[str, Any]) -> object:
    """Return the value of the field that holds a part's text."""
    kind = part.get("type", "text")
    return part.get(TEXT_PARTS[kind]) if isinstance(kind, str) and kind in TEXT_PARTS else None


def _file(part: Mapping[str, Any], where: str, role: Role, *, is_strict: bool) -> str | Attachment:
    """Return the file of a part, or a placeholder if the role brings no files or the file is bad."""
    if role not in BRING_FILES:
        return left_out(part["type"])
    try:
        return read_attachment(part, where)
    except RequestError:
        if is_strict:
            raise
        return left_out(part["type"])


def _wrong_part(kind: object, where: str) -> RequestError:
    if isinstance(kind, str) and kind in TEXT_PARTS:
        return RequestError(f"{where}.{TEXT_PARTS[kind]} must be a string.", param=f"{where}.{TEXT_PARTS[kind]}")
    return RequestError(f"{where} must be text, image_url or file.", param=where)
