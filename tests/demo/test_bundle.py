"""The one script of the page: all modules, each once and after those that it needs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

import bridge.demo.pages
from bridge.demo.bundle import bundled

STATIC = Path(bridge.demo.pages.__file__).parent / "static"
OWN = {"oauth", "pow_worker", "deepseek_hash"}
"""What another document or the worker of the page loads."""


def test_each_module_of_the_page_is_in_its_script_once_and_after_those_that_it_imports() -> None:
    files = {path.name: path.read_text("utf-8") for path in STATIC.glob("*.js")}
    script = bundled("app.js", files)
    assert not re.findall(r"^\s*(?:import|export)\b.*", script, re.MULTILINE)
    order = re.findall(r"^const module_(\w+) = ", script, re.MULTILINE)
    assert sorted([*order, *OWN]) == sorted(name.removesuffix(".js") for name in files)
    needed = [(order.index(name), order.index(other)) for name in order for other in imported(files[f"{name}.js"])]
    assert needed
    assert all(own > other for own, other in needed), "two modules import each other"


def imported(source: str) -> list[str]:
    return re.findall(r'from "\./(\w+)\.js"', source)


@pytest.mark.browser
def test_a_bundle_does_what_its_modules_do(tmp_path: Path) -> None:
    files = {
        "app.js": 'import { Pair, twice } from "./pair.js";\nimport { base } from "./base.js";\n'
        "console.log(new Pair(base).both);\ntwice(base).then(console.log);\n",
        "pair.js": 'import { base } from "./base.js";\nconst own = base * 10;\nexport class Pair {\n'
        "  constructor(one) { this.both = [one, own]; }\n}\n"
        "export async function twice(value) {\n  return value * 2;\n}\n",
        "base.js": "const own = 7;\nexport const base = own;\n",
    }
    (tmp_path / "plain").mkdir()
    for name, source in files.items():
        (tmp_path / "plain" / name).write_text(source)
    (tmp_path / "plain" / "package.json").write_text('{"type": "module"}')
    (tmp_path / "bundle.mjs").write_text(bundled("app.js", files))
    node = compute_driver_executable()[0]
    said = [
        subprocess.run([node, tmp_path / name], check=True, capture_output=True, text=True).stdout
        for name in ("plain/app.js", "bundle.mjs")
    ]
    assert said == ["[ 7, 70 ]\n14\n"] * 2
