"""Content parts with files: `image_url`, `file`, and their newer forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bridge.api.attachments.content_parts import from_base64, is_address, located, stored
from bridge.chat.types import Attachment
from bridge.errors import RequestError


def read_attachment(part: Mapping[str, Any], where: str) -> Attachment:
    """Return the attachment of a content part in `PARTS`; raise a `RequestError` that names the bad field."""
    return PARTS[part["type"]](part, where)


def _image(part: Mapping[str, Any], where: str) -> Attachment:
    """Read `{"image_url": {"url": ...}}`, or in the newer form `{"image_url": ...}`."""
    given, param = part.get("image_url"), f"{where}.image_url"
    if isinstance(given, dict):
        given, param = given.get("url"), f"{param}.url"
    if given is None and part.get("file_id") is not None:
        return stored(part["file_id"], f"{where}.file_id")
    if not isinstance(given, str):
        raise RequestError(f"{param} must be a data URL or an address.", param=param)
    return located(given, "", param)


def _file(part: Mapping[str, Any], where: str) -> Attachment:
    """Read `{"file": {"file_data": ..., "filename": ...}}`, or with `file_id`; the newer form has no inner object."""
    inner = part.get("file")
    if part["type"] == "file":
        where = f"{where}.file"
        if not isinstance(inner, dict):
            raise RequestError(f"{where} must be an object with file_data or file_id.", param=where)
        part = inner
    name = part.get("filename")
    if name is not None and not isinstance(name, str):
        raise RequestError(f"{where}.filename must be a string.", param=f"{where}.filename")
    if part.get("file_id") is not None:
        return stored(part["file_id"], f"{where}.file_id")
    for field in ("file_data", "file_url"):
        if isinstance(given := part.get(field), str):
            read = located if field == "file_url" or is_address(given) else partial(from_base64, media_type="")
            return read(given, name or "", param=f"{where}.{field}")
    raise RequestError(f"{where} needs file_data in base64, or a file_id.", param=f"{where}.file_data")


def _refused(part: Mapping[str, Any], where: str) -> Attachment:
    raise RequestError(f"{where}: {part['type']} is not supported; send text, images or files.", param=where)


PARTS: Mapping[str, Callable[[Mapping[str, Any], str], Attachment]] = {
    "image_url": _image,
    "input_image": _image,
    "file": _file,
    "input_file": _file,
    "input_audio": _refused,
    "video_url": _refused,
}
"""Types of content parts that are not text."""
