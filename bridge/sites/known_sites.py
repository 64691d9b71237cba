"""Lists the sites of this folder: its files and folders that have a `Driver`."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator

import bridge.sites
from bridge.errors import SetupError
from bridge.sites.contract import SiteDriver, load_driver

NO_SITES = ("answer_decoder", "contract", "known_sites", "site_file")


def known_sites() -> Iterator[tuple[str, type[SiteDriver]]]:
    """Yield name and driver of each site; one that cannot be loaded is left out."""
    for module in pkgutil.iter_modules(bridge.sites.__path__):
        if module.name in NO_SITES:
            continue
        try:
            yield module.name, load_driver(module.name)
        except SetupError:
            continue
