"""The rules of the house, read out of the source: who imports whom, how long a module is, what stands apart."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "bridge"
LONGEST = 300
"""Lines; a module that outgrows them hides an idea that wants a module of its own."""

GROUND = (
    *("durations", "base_error", "errors", "origins", "sse", "tasks", "telemetry", "throttle"),
    *("background", "printable", "env_file", "setting_types", "browser_address", "browser_settings"),
    *("data_folders", "page_settings", "cluster_settings"),
    *("settings", "settings_sources", "log", "settings_reload", "stop_signals"),
)
"""Modules that lie flat below all packages; each imports only what stands before it."""
ORDER = (
    *GROUND,
    *("chat", "tool_calls", "storage", "browser", "sites"),
    *("worker", "pool", "cluster", "login", "liveview", "monitor", "dashboard"),
    *(
        "api",
        "client",
        "health_checks",
        "running_pools",
        "chat_records",
        "node_services",
        "app",
        "bench",
        "cli",
        "__main__",
    ),
)
"""A package imports only what stands before it."""
STRANGERS = ({"worker", "pool"},)
"""Packages that know nothing of each other: `app` brings them together."""
MOST_PACKAGES = 16
MAY_IMPORT = re.compile(r"; may import ([\w, ]+)\.$")
"""How the docstring of a package ends; the flat modules below all packages go without saying."""

BROWSER_WORLD = {"browser", "sites", "worker", "login", "liveview"}
HTTP_WORLD = {"app", "api", "client", "cluster"}
DEMO_WORLD = {"cli", "cli.command_line", "cli.demo_tour", "cli.commands.demo_command", "cli.commands.bench_command"}
"""Beside the benchmark, the only modules that may speak of the demo site."""

WHOLE_SETTINGS = {
    *("settings_sources", "settings_reload"),  # read and renew them
    *("pool.pool", "monitor.monitor", "api.routes", "health_checks", "running_pools"),  # hand sections to many parts
    "api.admin.admin_context",  # they are listed to the operator
}
"""The modules below `app` that may have all settings in a signature; all others take the sections that they read."""


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "demo" not in path.relative_to(PACKAGE).parts)


def everything() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__" or len(parts) == 1)


@cache
def parsed(path: Path) -> ast.Module:
    """Return what stands in a file."""
    return ast.parse(path.read_text("utf-8"))


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Return the full names of the modules that a file imports, those for type checkers too."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
                yield from (f"{module}.{alias.name}" for alias in node.names)
            case ast.ImportFrom():
                pytest.fail(f"{path}: relative imports hide where a module stands")


def top(name: str) -> str:
    return name.partition(".")[0]


def place(name: str) -> int:
    """Return where the package, or the flat module, stands in the order."""
    assert top(name) in ORDER, f"bridge.{top(name)} has no place in the order of imports"
    return ORDER.index(top(name))


def inner(imported: str) -> str | None:
    """Return the name below `bridge` of an imported module of ours, or None."""
    name = imported.removeprefix("bridge.")
    if name == imported or imported == "bridge.__version__" or top(name) == "demo":
        return None
    file = PACKAGE / name.replace(".", "/")
    return name if file.with_suffix(".py").exists() or file.is_dir() else None


def test_a_package_imports_only_what_stands_before_it() -> None:
    assert imports(PACKAGE / "__init__.py") == ()
    pairs = [(name_of(path), other) for path in modules() for other in filter(None, map(inner, imports(path)))]
    apart = [(own, other) for own, other in pairs if top(own) != top(other)]
    assert [f"{own} imports {other}, above it" for own, other in apart if place(other) > place(own)] == []
    assert [f"{own} imports {other}, a stranger" for own, other in apart if {top(own), top(other)} in STRANGERS] == []


def modules_of(names: Iterable[str]) -> set[str]:
    """Return our modules among imported names; `from package import module` is an import of that module alone."""
    found = set(filter(None, map(inner, names)))
    return {name for name in found if not ((PACKAGE / name.replace(".", "/")).is_dir() and holds_one(name, found))}


def holds_one(package: str, names: set[str]) -> bool:
    return any(name.startswith(f"{package}.") for name in names)


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = {name_of(path): modules_of(imports(path)) for path in modules()}
    files = {name: (others & known.keys()) - {name} for name, others in known.items()}
    while leaves := {name for name, others in files.items() if not others}:
        files = {name: others - leaves for name, others in files.items() if name not in leaves}
    assert not files, f"a circle of imports among {sorted(files)}"


def packages() -> list[Path]:
    return sorted(path.parent for path in PACKAGE.rglob("__init__.py") if path.parent != PACKAGE)


def granted(package: Path) -> set[str]:
    """Return what a package says that it may import, in the one sentence about it."""
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text("utf-8"))) or ""
    sentence = " ".join(docstring.partition("\n\n")[0].split())
    found = MAY_IMPORT.search(sentence)
    assert found, f"the docstring of {package.name} does not end with what it may import"
    return set() if found[1] == "no other package" else set(found[1].split(", "))


@pytest.mark.parametrize("package", packages(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_package_imports_only_what_its_docstring_says(package: Path) -> None:
    own = f"bridge.{'.'.join(package.relative_to(PACKAGE).parts)}"
    names = {name for path in package.rglob("*.py") for name in imports(path) if name.startswith("bridge.")}
    others = {name.split(".")[1] for name in names - {"bridge.__version__"} if not f"{name}.".startswith(f"{own}.")}
    assert others - {*GROUND} <= granted(package)


def test_a_newcomer_has_few_packages_to_learn() -> None:
    packages = [path for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    assert len(packages) <= MOST_PACKAGES


def test_dialects_do_not_import_each_other() -> None:
    dialects = {path.parent.name for path in (PACKAGE / "api").glob("*/*_dialect.py")}
    assert "openai" in dialects
    for dialect in dialects:
        others = tuple(f"bridge.api.{other}." for other in dialects - {dialect})
        for path in (PACKAGE / "api" / dialect).rglob("*.py"):
            assert [name for name in imports(path) if name.startswith(others)] == [], path


def test_no_name_stands_for_two_files() -> None:
    """The folders of sites name their files alike: the driver of one is `driver.py`, as that of any other."""
    paths = [path for path in everything() if path.stem not in ("__init__", "__main__")]
    shared = [path for path in paths if not (path.parent / "driver.py").exists()]
    counted = Counter(path.stem for path in shared)
    assert [name for name, count in counted.items() if count > 1] == []


def test_playwright_and_aiohttp_live_in_different_worlds() -> None:
    """The benchmark stands outside of both, and measures one against the other."""
    roots = {path: {top(name) for name in imports(path)} for path in modules() if top(name_of(path)) != "bench"}
    browsers = {name_of(path) for path, names in roots.items() if "playwright" in names}
    servers = {name_of(path) for path, names in roots.items() if "aiohttp" in names}
    assert {name for name in browsers if top(name) not in BROWSER_WORLD} == set()
    assert {name for name in servers if top(name) not in HTTP_WORLD} == set()
    assert browsers & servers == set()


def annotated(path: Path) -> set[str]:
    """Return the names in the annotations of a file's parameters, fields and variables."""
    given = [node.annotation for node in ast.walk(parsed(path)) if isinstance(node, ast.arg | ast.AnnAssign)]
    parts = [part for annotation in given if annotation for part in ast.walk(annotation)]
    return {part.id for part in parts if isinstance(part, ast.Name)} | {
        part.attr for part in parts if isinstance(part, ast.Attribute)
    }


def test_below_app_only_what_puts_parts_together_takes_all_settings() -> None:
    takers = {name_of(path) for path in modules() if annotated(path) & {"Settings", "LoadedSettings"}}
    assert {name for name in takers if place(name) < place("app")} == WHOLE_SETTINGS


def test_no_module_outgrows_its_idea() -> None:
    lengths = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in everything()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_no_pattern_of_a_field_repeats_a_class_of_all_letters() -> None:
    """Each repetition is compiled, with all letters of Unicode: megabytes for one field; a length says the same."""
    repeated = re.compile(r"pattern=r?.*\\w[^\]]*\]?\{")
    assert [name_of(path) for path in modules() if repeated.search(path.read_text("utf-8"))] == []


def test_the_demo_site_imports_nothing_of_the_bridge() -> None:
    names = {(path.stem, name) for path in (PACKAGE / "demo").rglob("*.py") for name in imports(path)}
    assert {pair for pair in names if top(pair[1]) == "bridge" and not pair[1].startswith("bridge.demo")} == set()


def test_only_the_demo_command_knows_the_demo_site() -> None:
    users = [name_of(path) for path in modules() if any(name.startswith("bridge.demo") for name in imports(path))]
    assert users in ([], ["cli.demo_tour"])


def test_nothing_but_demo_and_bench_speaks_of_the_demo() -> None:
    others = [path for path in modules() if top(name_of(path)) != "bench" and name_of(path) not in DEMO_WORLD]
    assert [name_of(path) for path in others if "demo" in path.read_text("utf-8").lower()] == []


def test_every_module_says_what_it_is() -> None:
    docstrings = {name_of(path): ast.get_docstring(parsed(path)) or "" for path in modules()}
    assert [name for name, said in docstrings.items() if not (said[:1].isupper() or said[:1] == "`")] == []
