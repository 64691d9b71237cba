"""Finds Chromium in a fixed order, and defines its switches, environment and sandbox."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from loguru import logger

from bridge.errors import SetupError
from bridge.settings import BrowserSettings
from bridge.storage.atomic import make_folder

PLAYWRIGHT_DISABLED = (
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "TcpPortRandomizationWin",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
    "msForceBrowserSignIn",
    "msEdgeUpdateLaunchServicesPreferredVersion",
)
"""Features that Playwright 1.65 disables: our `--disable-features` replaces its list, so it is repeated here."""

TRIMMED = (
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "WebUIOmniboxFullPopup",
    "SpareRendererForSitePerProcess",
)
"""Features that keep extra renderers for users; without them an account takes half the memory."""

UNWANTED = ("--disable-popup-blocking",)
"""Switches of Playwright that are dropped: this one would let a page open any number of windows without a click."""
NO_UDP = tuple(f"--{name}webrtc-ip-handling-policy=disable_non_proxied_udp" for name in ("", "force-"))
"""Restricts WebRTC to the routes of all other connections of a page, where it could reach any host and port by UDP; the
second one is the name in older versions."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of browser and its locations: first Playwright's builds, then `paths`, then `names` in PATH."""

    called: str
    paths: tuple[str, ...]
    names: tuple[str, ...]
    builds: tuple[str, ...] = ()
    """Patterns in Playwright's own folder."""
    playwright: str = "chromium"
    """Its name for `playwright install`."""
    package: str = ""
    """Its package for `apt-get install`."""

    @property
    def advice(self) -> str:
        """Return the advice for a machine without it."""
        system = f"install one from your system (`apt-get install {self.package}`)" if self.package else "install it"
        return (
            f"No {self.called} was found. Either {system}, "
            f"or let `bridge install` fetch one (it runs `playwright install {self.playwright}`), "
            "or name one with the setting browser.executable (BRIDGE_BROWSER_EXECUTABLE)."
        )


CHROMIUM = Kind(
    "Chromium",
    ("/usr/lib/chromium/chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge"),
    ("chromium-*/chrome-*/chrome", "chromium-*/chrome-*/*.app/Contents/MacOS/*"),
    package="chromium",
)
SHELL = Kind(
    "headless shell of Chromium",
    ("/usr/lib/chromium/chromium-headless-shell",),  # the one in PATH is a script there
    ("chromium-headless-shell", "chrome-headless-shell"),
    ("chromium_headless_shell-*/chrome-*/chrome-headless-shell", "chromium_headless_shell-*/chrome-*/headless_shell"),
    playwright="chromium-headless-shell",
    package="chromium-headless-shell",
)
CHANNELS = {
    "chrome": Kind(
        "Google Chrome (browser.channel)",
        ("/opt/google/chrome/chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
        ("google-chrome", "google-chrome-stable"),
        playwright="chrome",
    ),
    "msedge": Kind(
        "Microsoft Edge (browser.channel)",
        ("/opt/microsoft/msedge/msedge", "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge"),
        ("microsoft-edge", "microsoft-edge-stable"),
        playwright="msedge",
    ),
}
SANDBOX_SIGNS = ("No usable sandbox", "without --no-sandbox", "credentials.cc", "zygote_host_impl_linux.cc")
NO_DRIVER = (
    "Playwright's driver does not start. A minimal Debian or Ubuntu lacks a library: `apt-get install libatomic1`."
)
INSTALL_LIMIT = 900.0
OPENERS = ("xdg-open", "xdg-email")
"""Programs that Chromium starts on Linux for addresses that it does not handle itself."""
HANDED_ON = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|TZ|TMPDIR|DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|LD_LIBRARY_PATH"
    r"|(?:https?|all|no)_proxy|(?:HTTPS?|ALL|NO)_PROXY|(?:LC|XDG|DBUS|FONTCONFIG|CHROME|PULSE|GTK|MESA|LIBGL|VK|NIX)_\w+"
)
"""Environment variables that Chromium may need; it gets no others."""


def switches(settings: BrowserSettings) -> list[str]:
    """Return Chromium's switches: disabled features, limits on connections, and the operator's own."""
    bound = () if settings.hosts == "any" else NO_UDP
    return ["--disable-features=" + ",".join((*PLAYWRIGHT_DISABLED, *TRIMMED)), *bound, *settings.args]


def environment(folder: Path) -> dict[str, str | float | bool]:
    """Return Chromium's environment: variables for display and network, and none of the operator's secrets.

    For `mailto:` and similar links, Chromium starts a program without asking; `folder` gets programs of those names
    that do nothing.
    """
    make_folder(folder)
    for name in OPENERS:
        if (nothing := shutil.which("true")) and not (folder / name).exists():
            (folder / name).symlink_to(nothing)
    kept = {name: value for name, value in os.environ.items() if HANDED_ON.fullmatch(name)}
    return {**kept, "PATH": os.pathsep.join(filter(None, (str(folder), kept.get("PATH"))))}


def sandboxed(settings: BrowserSettings) -> bool:
    """Tell whether Chromium's sandbox is on: as set, or else unless running as root, where it cannot start."""
    if settings.sandbox is not None:
        return settings.sandbox
    return not _is_root()


def kind_of(settings: BrowserSettings) -> Kind:
    """Return the kind of browser that the settings select."""
    if settings.channel is not None:
        return CHANNELS[settings.channel]
    return SHELL if settings.shell else CHROMIUM


def find(settings: BrowserSettings) -> Path:
    """Return the browser to launch: the configured one, or the first of its kind; raise `SetupError` if none."""
    if settings.executable is not None:
        if not os.access(settings.executable, os.X_OK):
            raise SetupError(f"browser.executable: {settings.executable} is not an executable file.")
        return settings.executable
    kind = kind_of(settings)
    for path in _candidates(kind):
        return path
    raise SetupError(kind.advice)


def install(settings: BrowserSettings, say: Callable[[str], None]) -> Path:
    """Return the browser of `find`, or install one with Playwright or apt-get; check the driver first."""
    _see_to_driver(say)
    kind = kind_of(settings)
    try:
        return find(settings)
    except SetupError:
        if settings.executable is not None:
            raise
    for command in _installers(kind):
        say(f"No {kind.called} found; trying: {' '.join(command)}")
        if _succeeds(command) and (path := next(_candidates(kind), None)):
            return path
    raise SetupError(kind.advice)


def explain_launch(message: str, executable: Path) -> str:
    """Return the error message, with advice, for a Chromium that did not start."""
    if any(sign in message for sign in SANDBOX_SIGNS):
        return (
            f"{executable} could not start its sandbox. Allow unprivileged user namespaces (in a container: a seccomp "
            "profile, see docs/deployment.md), or give it up with browser.sandbox = false "
            "(BRIDGE_BROWSER_SANDBOX=false)."
        )
    return f"{executable} did not start: {message.strip().partition(chr(10))[0]}"


def _candidates(kind: Kind) -> Iterator[Path]:
    yield from _playwright_browsers(kind)
    for path in map(Path, kind.paths):
        if os.access(path, os.X_OK):
            yield path
    for name in kind.names:
        if found := shutil.which(name):
            yield Path(found)


def _playwright_browsers(kind: Kind) -> Iterator[Path]:
    """Yield the browsers in the folder of `playwright install`, the newest first."""
    default = {"darwin": "Library/Caches/ms-playwright"}.get(sys.platform, ".cache/ms-playwright")
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / default)
    for path in sorted((path for pattern in kind.builds for path in folder.glob(pattern)), reverse=True):
        if os.access(path, os.X_OK):
            yield path


def _installers(kind: Kind) -> Iterator[list[str]]:
    root = _is_root()
    yield [sys.executable, "-m", "playwright", "install", *(["--with-deps"] if root else []), kind.playwright]
    if root and kind.package and shutil.which("apt-get"):
        yield ["apt-get", "update", "-qq"]
        yield ["apt-get", "install", "-y", "-qq", kind.package]


def _see_to_driver(say: Callable[[str], None]) -> None:
    """Make sure that Playwright's driver runs; install the library that a minimal system lacks."""
    version = [sys.executable, "-m", "playwright", "--version"]
    if _succeeds(version):
        return
    if _is_root() and shutil.which("apt-get"):
        say("Playwright's driver does not run; trying: apt-get install libatomic1")
        steps = (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "libatomic1"], version)
        if all(map(_succeeds, steps)):
            return
    raise SetupError(NO_DRIVER)


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _succeeds(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=INSTALL_LIMIT)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        logger.warning("{} failed: {}", command[0], error)
        return False
    if done.returncode:
        logger.debug("{} said: {}", command[0], done.stderr[-500:])
    return done.returncode == 0
