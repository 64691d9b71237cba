"""Puts a prompt into the page's text box in one piece, and reads it back.

A value is set, or text inserted, only in a document of the site's own origin, by the same call that checks the origin.
An editor accepts text as if pasted (`Input.insertText`), which goes to the focused element, so the document and the
focus are checked right before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Literal

from playwright.async_api import ElementHandle
from playwright.async_api import Error as PlaywrightError

from bridge.browser.page_calls import REPLACED
from bridge.errors import SiteChanged
from bridge.sites.contract import LeftSite
from bridge.sites.site_file.page_elements import PageElements

FOREIGN, GONE = "foreign", "gone"
# An editor shows a line break as a new paragraph, and marks empty places with zero-width characters.
SCRIPT = """(box, [origin, text, act, most]) => {
  if (location.origin !== origin) return {is: "foreign"};
  if (!box.isConnected) return {is: "gone"};
  const squeezed = words => words.replace(/[\\s\\u200b-\\u200d\\u2060\\ufeff]+/g, "");
  const isField = box instanceof HTMLTextAreaElement || box instanceof HTMLInputElement;
  const fixed = isField ? [] : [...box.querySelectorAll("[contenteditable=false]")];  // a placeholder, for example
  const read = () => isField ? box.value : fixed.length === 0 ? box.textContent : outside(box);
  const outside = node => [...node.childNodes]
    .map(one => fixed.includes(one) ? "" : one.nodeType === Node.TEXT_NODE ? one.data : outside(one)).join("");
  const root = box.getRootNode();
  if (act !== "read" && root.activeElement !== box && !box.contains(root.activeElement)) box.focus();
  if (act === "value") {
    const prototype = box instanceof HTMLTextAreaElement ? HTMLTextAreaElement.prototype : HTMLInputElement.prototype;
    if (isField) Object.getOwnPropertyDescriptor(prototype, "value").set.call(box, text);
    else {  // a box without an editor: the page reads its text as rendered, with its lines and spaces
      box.style.whiteSpace = "pre-wrap";
      box.textContent = text;
    }
    const inputType = text ? "insertText" : "deleteContentBackward";
    box.dispatchEvent(new InputEvent("input", {bubbles: true, composed: true, inputType}));
  }
  if (act === "select") {
    if (isField) box.select(); else getSelection().selectAllChildren(box);
  }
  if (act === "end") {
    if (isField) box.setSelectionRange(box.value.length, box.value.length);
    else { getSelection().selectAllChildren(box); getSelection().collapseToEnd(); }
  }
  if (act === "paste") {
    const clipboardData = new DataTransfer();
    clipboardData.setData("text/plain", text);
    box.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true, composed: true}));
  }
  if (act === "breaks") {  // instead of a paragraph for each line, between which a page reads further line breaks
    const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
    document.execCommand("selectAll");
    try {
      document.execCommand("insertHTML", false, escaped.replaceAll("\\n", "<br>"));
    } catch {  // the site allows no HTML from a string (require-trusted-types-for)
      box.replaceChildren(...text.split("\\n").flatMap(line => [document.createElement("br"), line]).slice(1));
      box.dispatchEvent(new InputEvent("input", {bubbles: true, composed: true, inputType: "insertText"}));
    }
  }
  const isManaged = box.matches("[data-lexical-editor], [data-slate-editor], .ProseMirror, .ql-editor, .cm-content,"
    + " .public-DraftEditor-content");
  const held = squeezed(read()), hasFocus = root.activeElement === box || box.contains(root.activeElement);
  const is = !held ? "empty" : held === squeezed(text) ? "there" : "other";
  const other = is === "other" ? read().slice(0, most) : "";
  return {is, other, length: held.length, isField, isManaged, hasFocus, document: performance.timeOrigin};
}"""
MOST_READ = 100_000
"""Characters that are read of a text other than the prompt."""
READ_BACK = 1.0
"""Seconds that an editor has to show an inserted text, which it renders later."""
LOOK_EVERY = 0.02

Filling = Literal["auto", "value", "insert", "paste", "breaks"]
Act = Literal["read", "focus", "value", "select", "end", "paste", "breaks"]


class ComposerBox:
    """The page's text box; the caller looks its element up again for each step."""

    def __init__(self, page: PageElements, filling: Filling) -> None:
        self._page = page
        self._filling = filling
        self._refuses_breaks = False
        """Whether the box undoes text that is not typed, so that it is an editor that keeps its text itself."""

    async def read(self, box: ElementHandle, prompt: str, act: Act = "read") -> Mapping[str, Any]:
        """Do `act`, then return the state of the box.

        `is` compares its text with `prompt`: `empty`, `there` or `other`. `document` identifies the document.
        """
        seen: Mapping[str, Any] = await box.evaluate(SCRIPT, [self._page.origin, prompt, act, MOST_READ])
        if seen["is"] == FOREIGN:
            raise LeftSite(self._page.page.url)
        if seen["is"] == GONE:
            raise PlaywrightError(REPLACED)
        return seen

    async def fill(self, box: ElementHandle, prompt: str) -> Mapping[str, Any]:
        """Replace the text of the box with the prompt; return the state of the box then, as `read` does."""
        seen = await self.read(box, prompt, "focus")
        filling = self._way_of(seen)
        if filling in ("value", "breaks"):
            await self.read(box, prompt, filling)
        else:
            await self._insert(box, prompt, filling, is_empty=seen["is"] == "empty")
        seen = await self._read_back(box, prompt)
        self._refuses_breaks |= filling == "breaks" and seen["is"] != "there"
        return seen

    def _way_of(self, seen: Mapping[str, Any]) -> Filling:
        """Return how to fill the box: as the site file says, else by its kind."""
        if self._filling != "auto":
            return self._filling
        if seen["isField"]:
            return "value"
        return "insert" if seen["isManaged"] or self._refuses_breaks else "breaks"

    async def clear(self, box: ElementHandle) -> None:
        """Empty the box."""
        seen = await self.read(box, "", "focus")
        if seen["is"] == "empty":
            return
        if seen["isField"]:
            await self.read(box, "", "value")
            return
        await self.read(box, "", "select")
        await self._page.press("Backspace")

    async def _insert(self, box: ElementHandle, prompt: str, filling: Filling, *, is_empty: bool) -> None:
        if not is_empty:
            await self.clear(box)
        if filling == "paste":
            await self.read(box, prompt, "paste")
            return
        if not (await self.read(box, "", "end"))["hasFocus"]:
            raise SiteChanged("The page's text box cannot be focused.")
        await self._page.insert_text(prompt)

    async def _read_back(self, box: ElementHandle, prompt: str) -> Mapping[str, Any]:
        """Return the state of the box once it holds the prompt, or after `READ_BACK` seconds."""
        end = time.monotonic() + READ_BACK
        while (seen := await self.read(box, prompt))["is"] != "there" and time.monotonic() < end:
            await asyncio.sleep(LOOK_EVERY)
        return seen
