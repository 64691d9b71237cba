"""Finds sites by name: the operator's own site files, those of the bridge, and modules; the one place that does.

A name is looked up in this order: a file `NAME.toml` in the operator's folder, a module or package of `bridge/sites/`,
a file of `bridge/sites/files/`. A name that ends in `.toml` is the path of a file; any other with a dot, a module.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from loguru import logger

import bridge.sites
from bridge.errors import SetupError
from bridge.sites.contract import SiteDriver, contradiction
from bridge.sites.site_file.data_driver import DataDriver, driver_of
from bridge.sites.site_file.schema import load_site_file

SHIPPED = Path(__file__).parent / "files"
CHOICE = (
    "name one of `bridge sites list`, the path of a .toml file, or the dotted path of your own module with a class "
    "Driver"
)


class KnownSite(NamedTuple):
    """A site that the bridge knows by name, and its source."""

    name: str
    driver: type[SiteDriver]
    source: str
    """The file, or the name of the module."""
    hides: str = ""
    """The source of another site of that name, which this one replaces."""


def load_driver(name: str, own_files: Path | None = None) -> type[SiteDriver]:
    """Return the driver of the site `name`; `own_files` is the operator's folder of site files.

    Raises `SetupError` if there is no such site, or if its file or module is not valid.
    """
    return find_site(name, own_files).driver


def find_site(name: str, own_files: Path | None = None) -> KnownSite:
    """Return a site by its name, found as by `load_driver`; raise `SetupError`."""
    if name.endswith(".toml"):
        return _from_file(name, Path(name).expanduser())
    if "." in name:
        return KnownSite(name, _from_module(name, name), name)
    others = [source for source in (_module_of(name), _shipped(name)) if source]
    if own := _own(name, own_files):
        hides = others[0] if others else ""
        if hides:
            logger.info("The site '{}' is loaded from {} instead of {}", name, own, hides)
        return _from_file(name, own)._replace(hides=hides)
    if (file := _shipped(name)) and not _module_of(name):
        return _from_file(name, Path(file))
    return KnownSite(name, _from_module(name, f"bridge.sites.{name}"), f"bridge.sites.{name}")


def known_sites(own_files: Path | None = None) -> Iterator[KnownSite]:
    """Yield each site that can be loaded, sorted by name; see `broken_sites` for the files that cannot."""
    for name in _names(own_files):
        try:
            yield find_site(name, own_files)
        except SetupError:
            continue


def broken_sites(own_files: Path | None = None) -> Iterator[tuple[str, str]]:
    """Yield the name of each of the operator's site files that cannot be loaded, and why."""
    for path in sorted(own_files.glob("*.toml")) if own_files else ():
        try:
            find_site(path.stem, own_files)
        except SetupError as error:
            yield path.stem, error.message


def _names(own_files: Path | None) -> list[str]:
    modules = [one.name for one in pkgutil.iter_modules(bridge.sites.__path__)]
    folders = [SHIPPED, *([own_files] if own_files else [])]
    return sorted({*modules, *(path.stem for folder in folders for path in folder.glob("*.toml"))})


def _own(name: str, own_files: Path | None) -> Path | None:
    path = own_files / f"{name}.toml" if own_files else None
    return path if path and path.is_file() and path.parent == own_files else None


def _shipped(name: str) -> str:
    path = SHIPPED / f"{name}.toml"
    return str(path) if path.parent == SHIPPED and path.is_file() else ""


def _module_of(name: str) -> str:
    is_there = name.isidentifier() and find_spec(f"bridge.sites.{name}") is not None
    return f"bridge.sites.{name}" if is_there else ""


def _from_file(name: str, path: Path) -> KnownSite:
    try:
        found = path.stat()
    except OSError as error:
        raise SetupError(f"Unknown site '{name}': the file cannot be read ({error.strerror}); {CHOICE}.") from error
    driver = _driver_in(path, found.st_mtime_ns, found.st_size)
    if not name.endswith(".toml") and driver.site.name != name:
        raise SetupError(f"The site file {path} has name = '{driver.site.name}'; write '{name}', the name of the file.")
    return KnownSite(name, driver, str(path))


@lru_cache(maxsize=256)
def _driver_in(path: Path, changed: int, size: int) -> type[DataDriver]:
    """Return the driver of a site file, cached until the file's time or size changes."""
    driver = driver_of(load_site_file(path))
    if wrong := contradiction(driver):
        raise SetupError(f"The site file {path}: {wrong}.")
    return driver


def _from_module(name: str, module_name: str) -> type[SiteDriver]:
    try:
        module: Any = importlib.import_module(module_name)
        driver = module.Driver
    except (ModuleNotFoundError, AttributeError) as error:
        raise SetupError(f"Unknown site '{name}' ({error}); {CHOICE}.") from error
    if not (isinstance(driver, type) and issubclass(driver, SiteDriver)):
        raise SetupError(f"Site '{name}': {module_name}.Driver is not a SiteDriver.")
    if wrong := contradiction(driver):
        raise SetupError(f"Site '{name}': {wrong}.")
    return driver
