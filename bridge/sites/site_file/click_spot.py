"""Finds where to click an element: its middle, unless another element covers it and would get the click."""

from __future__ import annotations

from typing import NamedTuple

from playwright.async_api import ElementHandle
from playwright.async_api import Error as PlaywrightError

from bridge.browser.page_calls import REPLACED
from bridge.printable import as_line
from bridge.sites.contract import LeftSite

# A label forwards a click to its own control, except a click on a link or control inside the label.
AIM = """(element, origin) => {
  if (location.origin !== origin) return {isForeign: true, url: location.href};
  if (!element.isConnected) return {isGone: true};
  element.scrollIntoView({block: "nearest", inline: "nearest"});
  const box = element.getBoundingClientRect();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const hit = element.getRootNode().elementFromPoint(x, y);
  const label = hit?.closest("label");
  const own = hit?.closest("a, button, input, select, textarea");
  const isLabel = !!label && label.control === element && !(own && label.contains(own));
  const isClear = !!hit && (hit === element || element.contains(hit) || isLabel);
  const name = hit && [hit.localName, ...hit.id ? ["#", hit.id] : [], ...[...hit.classList].map(one => "." + one)];
  return {x, y, isClear, over: isClear ? "" : name?.join("").slice(0, 80) ?? ""};
}"""


class Spot(NamedTuple):
    """The middle of an element, in pixels of the viewport."""

    x: float
    y: float
    is_clear: bool
    """Whether a click there reaches the element."""
    over: str
    """Tag, id and classes of the element that covers it; empty if it is outside the viewport."""


async def spot_of(element: ElementHandle, origin: str) -> Spot:
    """Scroll an element into view and return where to click it; raise `LeftSite` on a page of another origin."""
    seen = await element.evaluate(AIM, origin)
    if seen.get("isForeign"):
        raise LeftSite(seen["url"])
    if seen.get("isGone"):
        raise PlaywrightError(REPLACED)
    return Spot(seen["x"], seen["y"], seen["isClear"], as_line(seen["over"]))
