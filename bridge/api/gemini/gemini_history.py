"""Reads the contents of Gemini's dialect as the turns of a chat.

Streaming clients keep each piece of an answer as a separate content; consecutive ones form one answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from bridge.api.attachments.content_parts import from_base64, is_address, located, stored
from bridge.api.gemini.gemini_fields import as_list
from bridge.api.history_turns import Turn, begin_of_new, is_empty, left_out, write_messages
from bridge.api.request_model import Lenient
from bridge.chat.types import Attachment, Message, Role
from bridge.errors import RequestError
from bridge.tool_calls.notation import Call, canonical

ROLES: dict[str, Role] = {"user": "user", "model": "assistant", "function": "tool", "tool": "tool", "system": "system"}
FILES = ("inline_data", "file_data")
RESULT = "function_response"
CALL = "function_call"
SAID = ("result", "output", "content")
"""Names under which SDKs put a text result."""


class GeminiContent(Lenient):
    """One content of the history, as it was sent."""

    role: Annotated[Any, WithJsonSchema({"type": "string", "enum": ["user", "model"]})] = None
    parts: Annotated[Any, BeforeValidator(as_list)] = None

    @property
    def speaker(self) -> Role:
        """Return the role; an unknown role counts as the user's."""
        return ROLES.get(self.role, "user") if isinstance(self.role, str) else "user"


def read_contents(contents: Sequence[GeminiContent], system: str) -> tuple[Message, ...]:
    """Return the messages of the chat, `system` first; raise a `RequestError` that names the bad content."""
    begin = begin_of_new([content.speaker for content in contents])
    head = [Turn("system", system)] if system else []
    messages = write_messages([*head, *_turns(contents, begin)])
    if is_empty(messages[len(head) :]):
        raise RequestError("The last content has no text.", param=f"contents[{len(contents) - 1}].parts")
    return messages


def system_text(given: object) -> str:
    """Return the text of a system instruction, which may be a content, its parts, or a text."""
    parts = as_list(given.get("parts", given) if isinstance(given, dict) else given)
    given = [] if not parts else parts if isinstance(parts, list) else [parts]
    return "\n".join(_instruction(part, f"system_instruction.parts[{index}]") for index, part in enumerate(given))


def _instruction(part: object, where: str) -> str:
    text = part.get("text") if isinstance(part, dict) else part
    if isinstance(text, str):
        return text
    raise RequestError(
        f"{where}.text must be a string: a system instruction may hold only texts.", param=f"{where}.text"
    )


def texts(contents: Sequence[GeminiContent]) -> list[object]:
    """Return the parts of the contents that can become text, as they were sent: all except files and signatures."""
    parts = (part for content in contents if isinstance(content.parts, list) for part in content.parts)
    return [_texts_of(part) if isinstance(part, dict) else part for part in parts]


def _texts_of(part: Mapping[str, Any]) -> list[object]:
    result = part.get(RESULT)
    return [part.get("text"), part.get(CALL), result.get("response") if isinstance(result, dict) else None]


def _turns(contents: Sequence[GeminiContent], begin: int) -> Iterator[Turn]:
    for speaker, group in groupby(enumerate(contents), lambda numbered: numbered[1].speaker):
        if speaker == "assistant":
            yield _answer([part for _, content in group for part in _parts(content)])
            continue
        for index, content in group:
            yield from _said(content, f"contents[{index}]", is_new=index >= begin)


def _answer(parts: Sequence[object]) -> Turn:
    """Return the model's turn without its thoughts, which it does not need again."""
    said = [part for part in parts if isinstance(part, dict) and part.get("thought") is not True]
    text = "".join(part["text"] for part in said if isinstance(part.get("text"), str))
    calls = (part[CALL] for part in said if isinstance(part.get(CALL), dict))
    return Turn("assistant", text, calls=tuple(_call(call) for call in calls if isinstance(call.get("name"), str)))


def _call(given: Mapping[str, Any]) -> tuple[str, Call]:
    return _word(given.get("id")), Call(given["name"], canonical(given.get("args") or {}))


def _said(content: GeminiContent, where: str, *, is_new: bool) -> Iterator[Turn]:
    """Yield the results in a content, then the user's parts beside them."""
    if is_new and content.role is not None and content.role not in [*ROLES]:
        raise RequestError(f"{where}.role must be user or model.", param=f"{where}.role")
    if is_new and not isinstance(content.parts, list):
        raise RequestError(f"{where}.parts must be a list of parts.", param=f"{where}.parts")
    parts = [(f"{where}.parts[{index}]", part) for index, part in enumerate(_parts(content))]
    others = [(place, part) for place, part in parts if not _is_result(part)]
    yield from (_result(part[RESULT]) for _, part in parts if _is_result(part))
    if others or not parts:
        read = [_part(part, place, is_new=is_new) for place, part in others]
        text = "\n".join(one for one in read if isinstance(one, str))
        files = tuple(one for one in read if isinstance(one, Attachment))
        yield Turn("user" if content.speaker == "tool" else content.speaker, text, files)


def _result(given: Mapping[str, Any]) -> Turn:
    inner = given.get("parts")
    files = [_old_file(part) for part in inner if _is_file(part)] if isinstance(inner, list) else []
    notes = [one for one in files if isinstance(one, str)]
    return Turn(
        "tool",
        "\n".join((_result_text(given.get("response"), given.get("name")), *notes)),
        tuple(one for one in files if isinstance(one, Attachment)),
        call_id=_word(given.get("id")),
        name=_word(given.get("name")),
    )


def _result_text(response: object, tool: object) -> str:
    """Return a text result unchanged, any other as JSON; ignores the tool's name, which some clients add."""
    if not isinstance(response, dict):
        return response if isinstance(response, str) else "" if response is None else canonical(response)
    said = {name: value for name, value in response.items() if name != "name" or value != tool} or response
    text = next((said[name] for name in SAID if name in said), None)
    return text if len(said) == 1 and isinstance(text, str) else canonical(said)


def _part(part: Any, where: str, *, is_new: bool) -> str | Attachment:
    """Return the text or file of a part; refuse a bad part in new contents, leave it out in old ones."""
    if _is_file(part):
        return _file(part, where) if is_new else _old_file(part)
    text = part.get("text") if isinstance(part, dict) else None
    if isinstance(text, str):
        return text
    if not is_new:
        return left_out("part")
    if isinstance(part, dict) and "text" in part:
        raise RequestError(f"{where}.text must be a string.", param=f"{where}.text")
    raise RequestError(f"{where} must have text, inlineData, fileData or functionResponse.", param=where)


def _file(part: Mapping[str, Any], where: str) -> Attachment:
    kind = next(kind for kind in FILES if isinstance(part.get(kind), dict))
    given, field = part[kind], f"{where}.{kind}"
    name, media_type = _word(given.get("display_name")), _word(given.get("mime_type"))
    if kind == "inline_data":
        if not isinstance(given.get("data"), str):
            raise RequestError(f"{field}.data must be a file in base64.", param=f"{field}.data")
        return from_base64(given["data"], name, media_type, f"{field}.data")
    uri = _word(given.get("file_uri"))
    if is_address(uri):
        return located(uri, name, f"{field}.file_uri")
    return stored(uri.removeprefix("files/"), f"{field}.file_uri")


def _old_file(part: Mapping[str, Any]) -> str | Attachment:
    try:
        return _file(part, "contents")
    except RequestError:
        return left_out("file")


def _parts(content: GeminiContent) -> list[Any]:
    return content.parts if isinstance(content.parts, list) else []


def _is_file(part: object) -> bool:
    return isinstance(part, dict) and any(isinstance(part.get(kind), dict) for kind in FILES)


def _is_result(part: object) -> bool:
    return isinstance(part, dict) and isinstance(part.get(RESULT), dict)


def _word(given: object) -> str:
    return given if isinstance(given, str) else ""
