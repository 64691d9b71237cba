"""The content blocks of Anthropic's dialect that have content: text, images, documents, search results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from bridge.api.attachments.content_parts import from_base64, located, stored
from bridge.api.history_turns import left_out, plain_name
from bridge.chat.types import Attachment
from bridge.errors import RequestError

CHANGES = ("tool_addition", "tool_removal", "mcp_tool_listing")
"""Blocks that change the list of tools and have no content for the model."""
Piece = str | Attachment
"""A piece of a message: a text or a file."""
DEEPEST = 4
"""Deepest nesting of blocks; a document in the result of a call reaches it."""


def read_blocks(
    blocks: Iterable[object], where: str, *, is_strict: bool, first: int = 0, depth: int = 0
) -> Iterator[Piece]:
    """Yield the pieces of blocks; a bad block raises `RequestError` if `is_strict`, else leaves a placeholder.

    The blocks are those of the field `where` from the index `first` on.
    """
    for index, block in enumerate(blocks, first):
        try:
            yield from _read(block, f"{where}[{index}]", depth)
        except RequestError:
            if is_strict:
                raise
            yield left_out(block.get("type") if isinstance(block, dict) else None)


def kind_of(block: object) -> str:
    """Return the type of a block; empty for a malformed one."""
    kind = block.get("type") if isinstance(block, dict) else None
    return kind if isinstance(kind, str) else ""


def without_files(content: object) -> list[object]:
    """Return the texts in a message's content, which determine the length of the prompt."""
    found: list[object] = []
    todo = [content]
    while todo:
        match todo.pop():
            case str(text):
                found.append(text)
            case list(blocks):
                todo += blocks
            case {"type": "text", "text": text}:
                todo.append(text)
            case {"type": "tool_use", "input": given}:
                found.append(given)
            case {"type": "document", "source": dict(source)}:
                todo += [source.get("content"), source.get("data") if source.get("type") == "text" else None]
            case {"type": "tool_result" | "search_result", "content": inner}:
                todo.append(inner)
            case _:
                pass
    return found


def _read(block: object, where: str, depth: int) -> Iterator[Piece]:
    read = READERS.get(kind := kind_of(block))
    if kind in CHANGES:
        return iter(())
    if not isinstance(block, dict) or read is None or depth > DEEPEST:
        raise RequestError(f"{where} must be a block of one of the types {', '.join(READERS)}.", param=where)
    return read(block, where, depth)


def _text(block: Mapping[str, Any], where: str, _: int) -> Iterator[Piece]:
    if not isinstance(text := block.get("text"), str):
        raise RequestError(f"{where}.text must be a string.", param=f"{where}.text")
    yield text


def _image(block: Mapping[str, Any], where: str, _: int) -> Iterator[Piece]:
    yield _file(_source(block, where), "", f"{where}.source")


def _document(block: Mapping[str, Any], where: str, depth: int) -> Iterator[Piece]:
    source, title = _source(block, where), block.get("title")
    where = f"{where}.source"
    match source:
        case {"type": "text", "data": str(text)}:
            yield _titled("document", block, [text])
        case {"type": "content", "content": str(text)}:
            yield _titled("document", block, [text])
        case {"type": "content", "content": list(blocks)}:
            pieces = list(read_blocks(blocks, f"{where}.content", is_strict=True, depth=depth + 1))
            yield _titled("document", block, [piece for piece in pieces if isinstance(piece, str)])
            yield from (piece for piece in pieces if isinstance(piece, Attachment))
        case _:
            yield _file(source, title if isinstance(title, str) else "", where)


def _search_result(block: Mapping[str, Any], where: str, depth: int) -> Iterator[Piece]:
    if not isinstance(blocks := block.get("content"), list):
        raise RequestError(f"{where}.content must be a list of blocks.", param=f"{where}.content")
    pieces = read_blocks(blocks, f"{where}.content", is_strict=True, depth=depth + 1)
    yield _titled("search_result", block, [piece for piece in pieces if isinstance(piece, str)])


def _reference(block: Mapping[str, Any], where: str, _: int) -> Iterator[Piece]:
    if not isinstance(name := block.get("tool_name"), str):
        raise RequestError(f"{where}.tool_name must be a string.", param=f"{where}.tool_name")
    yield f"The tool {plain_name(name)} can be called now."


def _upload(block: Mapping[str, Any], where: str, _: int) -> Iterator[Piece]:
    yield stored(block.get("file_id"), f"{where}.file_id")


def _titled(kind: str, block: Mapping[str, Any], texts: Iterable[str]) -> str:
    """Return a text with its title, source and context in a tag, which separates it from the question."""
    about = [f"{name}: {text}" for name in ("title", "source", "context") if isinstance(text := block.get(name), str)]
    return "\n".join((f"<{kind}>", *about, *texts, f"</{kind}>"))


def _source(block: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    if not isinstance(source := block.get("source"), dict):
        raise RequestError(f"{where}.source must be an object.", param=f"{where}.source")
    return source


def _file(source: Mapping[str, Any], name: str, where: str) -> Attachment:
    match source:
        case {"type": "base64", "data": str(data)}:
            kind = source.get("media_type")
            return from_base64(data, name, kind if isinstance(kind, str) else "", f"{where}.data")
        case {"type": "url", "url": str(url)}:
            return located(url, name, f"{where}.url")
        case {"type": "file"}:
            return stored(source.get("file_id"), f"{where}.file_id")
    message = f"{where} must have the type base64 with data, url with url, or file with file_id."
    raise RequestError(message, param=where)


READERS: Mapping[str, Callable[[Mapping[str, Any], str, int], Iterator[Piece]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "container_upload": _upload,
    "tool_reference": _reference,
}
