"""Reads the messages of Ollama's dialect as the turns of a chat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import WithJsonSchema

from bridge.api.attachments.content_parts import from_base64, is_address, located
from bridge.api.history_turns import Turn, begin_of_new, is_empty, left_out, write_messages
from bridge.api.request_model import Lenient
from bridge.chat.types import Attachment, Message, Role
from bridge.errors import RequestError
from bridge.tool_calls.notation import Call, canonical

ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
BRING_IMAGES = ("user", "tool")
IMAGE_TYPES = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "Qk": "image/bmp",
}
"""Media types by the beginning of a picture's base64, which is the only evidence of its type."""


class OllamaMessage(Lenient):
    """One message of the history, as it was sent."""

    role: Annotated[Any, WithJsonSchema({"type": "string", "enum": [*ROLES]})] = None
    content: Any = None
    images: Any = None
    tool_calls: Any = None
    tool_name: Any = None
    tool_call_id: Any = None
    name: Any = None

    @property
    def speaker(self) -> Role:
        """Return the role; an unknown role counts as the user's."""
        return ROLES.get(self.role, "user") if isinstance(self.role, str) else "user"


def read_ollama_history(messages: Sequence[OllamaMessage]) -> tuple[Message, ...]:
    """Return the messages of the chat; raise a `RequestError` that names the bad one."""
    begin = begin_of_new([message.speaker for message in messages])
    made = write_messages(_turn(message, index, is_new=index >= begin) for index, message in enumerate(messages))
    if is_empty(made):
        where = f"messages[{len(messages) - 1}].content"
        raise RequestError(f"{where} must have text.", param=where)
    return made


def texts(messages: Sequence[OllamaMessage]) -> list[object]:
    """Return the values in the messages that can become text, as they were sent."""
    return [value for message in messages for value in (message.content, message.tool_calls)]


def read_images(given: object, where: str) -> tuple[Attachment, ...]:
    """Return pictures given as base64, data URLs or addresses; raise a `RequestError` that names the bad one."""
    if given is None:
        return ()
    if not isinstance(given, list):
        raise RequestError(f"{where} must be a list of pictures in base64.", param=where)
    return tuple(_image(image, f"{where}[{index}]") for index, image in enumerate(given))


def _image(given: object, where: str) -> Attachment:
    if not isinstance(given, str):
        raise RequestError(f"{where} must be a picture in base64.", param=where)
    if is_address(given):
        return located(given, "", where)
    kind = next((kind for begin, kind in IMAGE_TYPES.items() if given.startswith(begin)), "")
    return from_base64(given, "", kind, where)


def _turn(message: OllamaMessage, index: int, *, is_new: bool) -> Turn:
    where = f"messages[{index}]"
    if is_new and message.role not in [*ROLES]:
        raise RequestError(f"{where}.role must be one of {', '.join(ROLES)}.", param=f"{where}.role")
    text = _text(message, f"{where}.content", is_new=is_new)
    if message.speaker == "assistant":
        return Turn("assistant", text, calls=tuple(_calls(message.tool_calls)))
    images, note = _images(message, f"{where}.images", is_new=is_new)
    text = "\n".join(filter(None, (text, note)))
    name = next((name for name in (message.tool_name, message.name) if isinstance(name, str)), "")
    return Turn(message.speaker, text, images, call_id=_id(message.tool_call_id), name=name)


def _text(message: OllamaMessage, where: str, *, is_new: bool) -> str:
    content = message.content
    if content is None or isinstance(content, str):
        return content or ""
    if message.speaker == "user" and is_new:
        raise RequestError(f"{where} must be a string; pictures go into images.", param=where)
    return canonical(content)


def _images(message: OllamaMessage, where: str, *, is_new: bool) -> tuple[tuple[Attachment, ...], str]:
    """Return the pictures of a message, and a placeholder if the role brings no pictures or they are bad."""
    if not message.images:
        return (), ""
    try:
        if message.speaker in BRING_IMAGES:
            return read_images(message.images, where), ""
    except RequestError:
        if is_new and message.speaker == "user":
            raise
    return (), left_out("image")


def _calls(given: object) -> Iterator[tuple[str, Call]]:
    """Yield the calls of an assistant's message, each with its id; skip malformed ones."""
    for call in given if isinstance(given, list) else []:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            arguments = function.get("arguments")
            text = arguments if isinstance(arguments, str) else canonical({} if arguments is None else arguments)
            yield _id(call.get("id")), Call(function["name"], text)


def _id(given: object) -> str:
    return given if isinstance(given, str) else ""
