"""Bundles the page's modules into one script, as sites do: one request for each would cost more than their code."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_IMPORT = re.compile(r'^import (\{.*\}) from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)


def bundled(entry: str, files: Mapping[str, str]) -> str:
    """Return one script equal to the module `entry` with all its imports; `files` maps file names to sources.

    Each module becomes a function that returns its exports. Modules must write `import { name } from "./file.js";` on
    one line and `export` before a declaration, and must not import each other in a cycle.
    """
    return "\n".join(_module(name, files[f"{name}.js"]) for name in _in_order(entry.removesuffix(".js"), files, []))


def _in_order(name: str, files: Mapping[str, str], begun: list[str]) -> Iterator[str]:
    """Yield the modules that `name` needs, each after its own imports, and `name` last."""
    begun.append(name)
    for _, other in _IMPORT.findall(files[f"{name}.js"]):
        if other not in begun:
            yield from _in_order(other, files, begun)
    yield name


def _module(name: str, source: str) -> str:
    exported = ", ".join(_EXPORT.findall(source))
    body = _EXPORT.sub("", _IMPORT.sub(r"const \1 = module_\2;", source))
    return f"const module_{name} = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();"
