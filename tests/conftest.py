"""Common parts of all tests: one Chromium, the marker of tests that start processes, no `BRIDGE_*` of the shell."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.support.free_loop import BLOCKING, GuardedLoop, Step, Watch, on_blocking, taken

if TYPE_CHECKING:
    from bridge.browser.browser import Chromium
    from bridge.settings import Section
    from tests.support.live import Live

settings.register_profile("bridge", max_examples=int(os.environ.get("EXAMPLES", "10")), deadline=None)
settings.load_profile("bridge")


def pytest_configure() -> None:
    """Remove the shell's settings, and let Ctrl-C end commands also if the tests run in the background."""
    for name in tuple(os.environ):
        if name.startswith("BRIDGE_"):
            del os.environ[name]
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection() -> None:
    """Collect tests without garbage collection: nearly all new objects stay to the end."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Exclude the tests from garbage collection, and collect less often: it took a tenth of the time."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 100)
    gc.enable()


def pytest_sessionfinish() -> None:
    """Collect garbage once, for warnings about unclosed objects; then make pytest's own five collections cheap."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start a process, and run their files first, the longest first of all.

    The small and quick ones then fill the rest. `make quick` does not even read the files called `_live` and `_fuzz`.
    """
    for item in items:
        if item.path.stem.endswith("_fuzz"):
            item.add_marker("slow")
        if item.path.stem.endswith("_live") or STARTING.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("browser")
        if item.get_closest_marker("browser") and (area := area_of(item.path.relative_to(TESTS).as_posix())):
            item.add_marker(area)
    long = [Counter(item.path for item in items if item.get_closest_marker(name)) for name in ("browser", "slow")]
    first = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: [first.get(item.path, len(first)), *(-count[item.path] for count in long)])


def area_of(path: str) -> str | None:
    """Return the area of a file's tests, if `make test` leaves them to their own target."""
    return next((area for area, places in AREAS.items() if path.startswith(places)), None)


TESTS = Path(__file__).parent
AREAS = {"cluster": ("cluster/",), "sites": ("sites/", "login/test_site_learning", "liveview/test_site_learning")}
"""Where these tests are."""
LONGEST = (
    *("login/test_site_learning_live.py", "login/test_site_learning_controls_live.py"),
    *("liveview/test_site_learning_live.py", "sites/every_site/test_site_contract_live.py"),
    *("sites/test_data_conversations_live.py", "sites/test_data_driver_live.py", "sites/test_driver_live.py"),
    *("sites/test_moved_controls_live.py", "sites/every_site/test_site_faults_live.py"),
    *("dashboard/test_dashboard.py", "cli/test_cli.py"),
    *("worker/test_turns_live.py", "test_growth.py", "worker/test_failures_live.py", "cli/test_operate.py"),
    *("worker/test_hostile_live.py", "browser/test_browsers_live.py", "worker/test_transports_live.py"),
    *("worker/test_greedy_page_live.py", "demo/test_page.py", "login/test_login_live.py"),
    *("worker/test_chat_live.py", "cluster/test_cluster_failures.py"),
    *("worker/test_faults_live.py", "docs/test_prometheus.py"),
)
"""The files that take longest, some of them with few tests; started near the end, one would delay the whole run.

xdist gives a process whose file has two tests or fewer a second file at once: of seven processes, those with the first
three files get the eighth to the tenth.
"""
STEP = Step()
STARTING = frozenset({"chromium", "full_chromium", "browser", "home"})
"""Fixtures that start a browser or the command."""
started: list[str] = []
"""The processes that the current test has started so far."""


watched: set[str] = set()
"""The audit events to check; none after the tests, because the hook outlives the names of its module."""


def on_event(event: str, what: tuple[object, ...], watched: set[str] = watched) -> None:
    """Record a process start, or a call that blocks the loop."""
    if event not in watched:  # true of nearly all, and there are millions
        return
    if event == "subprocess.Popen" and what[0] != "uname":  # the OpenAI SDK asks for the platform once per process
        started.append(str(what[0]))
    on_blocking(event)


def watched_loop() -> asyncio.AbstractEventLoop:
    """Return a new watched loop."""
    return GuardedLoop(STEP)


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run all tests on one watched loop."""
    # Always the same function: another function per test would mean another loop, and with it another Chromium.
    return {"watched": watched_loop}


@pytest.fixture(scope="session", autouse=True)
def _watch() -> Iterator[None]:
    watched.update(BLOCKING)
    sys.addaudithook(on_event)
    watch = Watch(STEP)
    watch.start()
    yield
    watch.stop()
    watched.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Fail a test in which the product holds up the event loop, or that starts a process without its marker.

    This is a hook, not a fixture, because every test pays for it.
    """
    try:
        yield
    finally:
        seen, begun = list(dict.fromkeys(taken())), started[:1]
        started.clear()
    if begun and not item.get_closest_marker("browser"):
        seen.append(f"starts {begun[0]} without the marker `browser`")
    if seen:
        pytest.fail("\n".join(seen), pytrace=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report the processor time of the run, with all processes that it started."""
    terminalreporter.write_line(f"{sum(os.times()[:4]):.0f} s of processor time")


def new_chromium(folder: Path, **sections: Section) -> Chromium:
    """Return a browser that tests share; its imports are here, because each process waits for imports at the top."""
    from bridge.browser.browser import Chromium
    from bridge.telemetry import Telemetry
    from tests.support.live import settings_for

    return Chromium(settings_for(folder, **sections).pages, Telemetry())


@pytest.fixture(scope="session")
async def chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Chromium]:
    """One browser for all tests that do not harm it: Chromium's headless shell, if it is installed."""
    browser = new_chromium(tmp_path_factory.mktemp("chromium"))
    yield browser
    await browser.close()


@pytest.fixture(scope="session")
async def full_chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Chromium]:
    """The bridge's default Chromium, for all tests of its restrictions on a page."""
    from bridge.settings import BrowserSettings

    browser = new_chromium(tmp_path_factory.mktemp("full"), browser=BrowserSettings(check_every=0.5, page_memory=700))
    yield browser
    await browser.close()


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, chromium: Chromium) -> AsyncGenerator[Live]:
    """A demo site and a bridge for the tests of a module, as the previous test left them; many have their own."""
    from tests.support.live import live

    async with live(tmp_path_factory.mktemp("shared"), chromium=chromium) as run:
        yield run


@pytest.fixture
async def run(shared: Live) -> Live:
    """The module's `shared` bridge, reset to its initial state."""
    from tests.support.live import reset

    return await reset(shared)
