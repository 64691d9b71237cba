"""Possible later builds of Z.ai's page: with a native list of models, and with its search in a menu."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import bridge.demo.standins
from bridge.demo.standins import Wire
from bridge.demo.standins.zai import Zai

PAGE = Path(bridge.demo.standins.__file__).parent.parent / "static/standins/zai.js"
LIST = """<select class="models" aria-label="选择一个模型"><option value="glm-5.3">GLM-5.3</option>
    <option value="glm-5.3-flash">GLM-5.3-Flash</option><option disabled>GLM-6</option></select>"""
CHANGES = (
    (r"<button class=\"modelSelectorButton\".*?</div>", LIST),
    (r"  menu\(\$\(\"\.modelSelectorButton\"\).*?setModel\(page, \$[^\n]*\n", """  page.state.model = "glm-5.3";
  $(".models").addEventListener("change", (event) => (page.state.model = event.target.value));
"""),
    (r"function setModel.*?\n}\n", ""),
)  # fmt: skip
MENU = """[model_menu]
open = ["select.models"]
"""


def _text(text: str) -> Callable[[re.Match[str]], str]:
    return lambda _: text


TOOLS = """<button type="button" class="tools" aria-haspopup="menu">Tools</button>
    <div role="menu" class="floating tools-menu">
    <div role="menuitemcheckbox" class="search" aria-checked="false">Web search</div>
    <div role="menuitem" class="pictures">Draw a picture</div></div>"""
IN_MENU = (
    (r"<button type=\"button\" class=\"search\".*?</button>", TOOLS),
    (
        r"  toggle\(\$\(\"\.search\"\), \"data-active\", ",
        """  menu($(".tools"), $(".tools-menu"));
  $(".search").addEventListener("click", () => ($(".tools-menu").hidden = true));
  toggle($(".search"), "aria-checked", """,
    ),
)


def zai_with_native_list(folder: Path) -> Wire:
    """Return the stand-in of Z.ai with a native list of models."""
    return _zai(folder, CHANGES)


def zai_with_other_controls(folder: Path, *, is_chosen: bool) -> Wire:
    """Return the stand-in of Z.ai with a native list of models, and its switch for search in a menu.

    The list asks for a model until one is chosen. The menu closes when its switch is clicked.
    """
    asks = "" if is_chosen else "<option disabled selected>Choose a model</option>"
    (old, new), *others = CHANGES
    return _zai(folder, [(old, new.replace("<option value", f"{asks}<option value", 1)), *others, *IN_MENU])


def _zai(folder: Path, changes: Sequence[tuple[str, str]]) -> Wire:
    """Return the stand-in with a changed page; write the page's script into `folder`."""
    script = PAGE.read_text("utf-8")
    for old, new in changes:
        script, count = re.subn(old, _text(new), script, flags=re.DOTALL)
        assert count == 1, old
    page = folder / "zai.js"
    page.write_text(script, "utf-8")
    native: type[Wire] = type("Native", (Zai,), {"page": page})
    return native()


def with_native_list(site_file: str) -> str:
    """Return the site file of Z.ai for that page."""
    changed, count = re.subn(r"\[model_menu\]\n.*?\n\n", _text(f"{MENU}\n"), site_file, flags=re.DOTALL)
    assert count == 1
    return changed
