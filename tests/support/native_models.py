"""Z.ai's page as a build of it may be that has a native list in place of its menu of models."""

from __future__ import annotations

import re
from collections.abc import Callable
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


def zai_with_native_list(folder: Path) -> Wire:
    """Return the stand-in of Z.ai with a page whose script is written into `folder`."""
    script = PAGE.read_text("utf-8")
    for old, new in CHANGES:
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
