"""The rules of the house, read out of the source: who imports whom, how long a module is, what stands apart."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "bridge"
LONGEST = 320
"""Lines; a module that outgrows them hides an idea that wants a module of its own."""

ORDER = (
    *(
        "errors",
        "durations",
        "page_messages",
        "origins",
        "atomic",
        "redact",
        "background",
        "tasks",
        "visit",
        "loss",
        "telemetry",
    ),
    *(
        "printable",
        "console",
        "chat",
        "control",
        "models",
        "digests",
        "directions",
        "prompt",
        "usage",
        "sse",
        "settings",
        "variables",
        "settings_sources",
    ),
    *("files", "budget"),
    *("sends", "profiles", "browser_folders", "throttle"),
    *(
        "log",
        "locks",
        "stored_login",
        "unsettled",
        "conversations",
        "processes",
        "chromium",
        "egress",
        "calls",
        "sites.base",
        "cdp",
        "launch",
        "running",
        "browser",
    ),
    *("exchange", "tap"),
    *(
        "intercept",
        "traffic",
        "windows",
        "session",
        "attend",
        "sites",
        "bundle",
        "evidence",
        "write_back",
        "turns",
        "attach",
        "sending",
        "listen",
        "settle",
        "record",
    ),
    *("worker", "tokens", "stored_accounts", "policy", "parked", "accounts", "visits", "supervisor", "guests"),
    *("lease", "waiting", "chat_queue", "visiting", "roster", "progress", "pool"),
    *("upkeep", "capture", "login", "liveview", "imports", "security", "keystore", "sessions", "access"),
    *("history", "monitor", "dashboard"),
    *("guard", "tools", "api.begun", "api.cut", "api.talk", "api.shape", "api.failure", "api.attached"),
    *(
        "api.fetch",
        "api.gather",
        "api.body",
        "api.admin",
        "api.base",
        "api",
        "client",
        "admin_client",
        "status_rows",
        "status",
        "listing",
        "checks",
        "app",
        "terminal",
        "doctor",
        "debug",
    ),
    *(
        "replay",
        "tryout",
        "signin",
        "taking_in",
        "remote_login",
        "bench",
        "command",
        "operate",
        "key_commands",
        "profile_commands",
    ),
    *("cli", "__main__"),
)
"""A module imports only what stands before it."""

BROWSER_WORLD = {
    "browser",
    "launch",
    "running",
    "calls",
    "capture",
    "bundle",
    "traffic",
    "intercept",
    "session",
    "windows",
    "worker",
    "login",
    "liveview",
    "sites",
    "debug",
    "listen",
}
HTTP_WORLD = {"app", "api", "guard", "client"}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "demo" not in path.relative_to(PACKAGE).parts)


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__" or len(parts) == 1)


def imports(path: Path) -> Iterator[str]:
    """Yield the full names of the modules that a file imports, those for type checkers too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
                yield from (f"{module}.{alias.name}" for alias in node.names)
            case ast.ImportFrom():
                pytest.fail(f"{path}: relative imports hide where a module stands")


def place(name: str) -> int:
    """Return where a module stands in the order: under its own name, or that of the folder it is in."""
    while name not in ORDER:
        assert "." in name, f"bridge.{name} has no place in the order of imports"
        name = name.rpartition(".")[0]
    return ORDER.index(name)


def inner(imported: str) -> str | None:
    """Return the name below `bridge` of an imported module of ours, or None."""
    name = imported.removeprefix("bridge.")
    if name == imported or imported == "bridge.__version__":
        return None
    file = PACKAGE / name.replace(".", "/")
    return name if file.with_suffix(".py").exists() or (file.is_dir() and name != "demo") else None


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_imports_only_what_stands_before_it(path: Path) -> None:
    own = name_of(path)
    if own == "__init__":
        assert list(imports(path)) == []
        return
    for other in filter(None, map(inner, imports(path))):
        if other.partition(".")[0] == own.partition(".")[0] and place(other) == place(own):
            continue  # siblings in one folder
        assert place(other) < place(own), f"{own} imports {other}, which stands above it"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_playwright_and_aiohttp_live_in_different_worlds(path: Path) -> None:
    top = name_of(path).partition(".")[0]
    if top == "bench":
        return  # it stands outside of both, and measures one against the other
    roots = {name.partition(".")[0] for name in imports(path)}
    if "playwright" in roots:
        assert top in BROWSER_WORLD
    if "aiohttp" in roots:
        assert top in HTTP_WORLD
    assert not {"playwright", "aiohttp"} <= roots


@pytest.mark.parametrize("path", [*modules(), *sorted((PACKAGE / "demo").rglob("*.py"))], ids=lambda path: path.stem)
def test_no_module_outgrows_its_idea(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", sorted((PACKAGE / "demo").rglob("*.py")), ids=lambda path: path.stem)
def test_the_demo_site_imports_nothing_of_the_bridge(path: Path) -> None:
    assert [name for name in imports(path) if name.startswith("bridge") and not name.startswith("bridge.demo")] == []


def test_only_the_demo_command_knows_the_demo_site() -> None:
    users = [name_of(path) for path in modules() if any(name.startswith("bridge.demo") for name in imports(path))]
    assert users in ([], ["tryout"])


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_nothing_but_demo_and_bench_speaks_of_the_demo(path: Path) -> None:
    if name_of(path).partition(".")[0] in ("tryout", "cli", "bench"):
        return
    assert "demo" not in path.read_text("utf-8").lower()


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    assert docstring
    assert docstring[0].isupper() or docstring[0] == "`"
