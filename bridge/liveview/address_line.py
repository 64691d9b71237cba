"""The address line of a live view, which opens only the site and the hosts that its login needs."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urljoin, urlsplit

from bridge.errors import RequestError
from bridge.origins import OPAQUE, is_named, origin_of

ONLY_HTTP = "Only addresses that begin with https:// can be opened here."


def target(given: str, site: str, hosts: Sequence[str]) -> str:
    """Return the address to open for the text `given`; raise `RequestError` if it is not one of the site's.

    `site` is the origin of the site; `hosts` are the further hosts of the site and its login, over https only.
    """
    text = given.strip()
    if not text or any(not char.isprintable() for char in text) or "\\" in text:
        raise RequestError("This is not an address.", param="address")
    url = _full(text, site)
    origin = origin_of(url)
    if origin == OPAQUE or "@" in urlsplit(url).netloc:
        raise RequestError(ONLY_HTTP, param="address")
    where = urlsplit(url).hostname or ""
    if origin != origin_of(site) and not (origin == f"https://{where}" and is_named(where, hosts)):
        raise RequestError(f"{where[:80]} does not belong to the site, and is not opened here.", param="address")
    return url


def _full(text: str, site: str) -> str:
    """Complete a path on the site, or a host without `https://`, to a whole address."""
    if text.startswith("/"):
        return urljoin(site + "/", text)
    try:
        has_scheme = bool(urlsplit(text).scheme) and "://" in text
    except ValueError:
        return OPAQUE
    if has_scheme or text.partition(":")[0].lower() in ("javascript", "data", "file", "blob", "about", "chrome"):
        return text
    host = text.partition("/")[0].lower()
    return f"{site.partition('://')[0]}://{text}" if host == urlsplit(site).netloc else f"https://{text}"
