"""Parses the body of one of the page's own requests by its codec, so that paths apply to it."""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from bridge.browser.page_messages import PageRequest
from bridge.errors import SiteChanged
from bridge.sites.lenient_json import parse_json
from bridge.sites.site_file.connect_frames import ConnectReader
from bridge.sites.site_file.json_paths import Variables
from bridge.sites.site_file.socket_packets import event_documents

Codec = Literal["json", "connect", "multipart", "urlencoded", "query", "text", "socketio"]

_MOST_FIELDS = 1000
_LONGEST_HEAD = 2000
_DELIMITER = re.compile(rb"--[\x21-\x7e]{1,200}")
_FIELD_NAME = re.compile(rb'content-disposition:[^\r\n]*?\bname="([^"\r\n]{0,500})"', re.IGNORECASE)


class ReadRequest(NamedTuple):
    """A parsed request: the document in its body, None if that cannot be read, and the variables for `$` paths."""

    document: Any
    variables: Variables


def read_request(request: PageRequest, codec: Codec) -> ReadRequest:
    """Parse a request; never raises, whatever its body is."""
    return ReadRequest(_document(request, codec), variables_of(request.url) | {"$body": _text(request.body)})


def read_messages(request: PageRequest, codec: Codec) -> list[ReadRequest]:
    """Parse the messages of a request: with socket.io each of its events, which may be none; else the request."""
    read = read_request(request, codec)
    if codec != "socketio":
        return [read]
    return [ReadRequest(parse_json(one), read.variables) for one in event_documents(_text(request.body))]


def variables_of(url: str) -> dict[str, Any]:
    """Return the values of an address for paths that begin with `$`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return {"$url": url}
    segments = [unquote(segment) for segment in parts.path.split("/")[1:]]
    return {"$url": url, "$query": _fields(parts.query), "$path": segments}


def _document(request: PageRequest, codec: Codec) -> Any:
    match codec:
        case "json":
            return parse_json(_text(request.body))
        case "connect":
            return _connect(request.body)
        case "multipart":
            return _multipart(request.body)
        case "urlencoded":
            return _fields(_text(request.body))
        case "query":
            return variables_of(request.url).get("$query")
        case "text":
            return _text(request.body)
        case "socketio":
            documents = event_documents(_text(request.body))
            return parse_json(documents[0]) if len(documents) == 1 else None


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _connect(body: bytes) -> Any:
    """Parse a body of exactly one frame."""
    try:
        frames = ConnectReader().feed(body)
    except SiteChanged:
        return None
    whole = len(frames) == 1 and len(frames[0].payload) + 5 == len(body) and not frames[0].flags
    return parse_json(_text(frames[0].payload)) if whole else None


def _fields(query: str) -> Any:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return None
    return _by_name(pairs)


def _multipart(body: bytes) -> Any:
    """Parse the fields of a form; a file has an empty value."""
    delimiter = _DELIMITER.match(body)
    if not delimiter:
        return None
    parts = (b"\r\n" + body).split(b"\r\n" + delimiter[0])[1:]
    if len(parts) > _MOST_FIELDS or not parts[-1].startswith(b"--"):
        return None
    pairs = []
    for part in parts[:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        if name := _FIELD_NAME.search(head[:_LONGEST_HEAD]):
            pairs.append((_text(name[1]), "" if b"filename=" in head else _text(value)))
    return _by_name(pairs)


def _by_name(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Return fields by name; the values of a repeated name are a list, which never passes for a text."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found
