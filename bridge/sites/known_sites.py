"""Which sites there are: the files of this folder that are a site of their own."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator

import bridge.sites
from bridge.errors import SetupError
from bridge.sites.contract import SiteDriver, load_driver


def known_sites() -> Iterator[tuple[str, type[SiteDriver]]]:
    """Yield name and driver of each site; the parts of one have names with an underscore."""
    for module in pkgutil.iter_modules(bridge.sites.__path__):
        if "_" in module.name or module.name == "contract":
            continue
        try:
            yield module.name, load_driver(module.name)
        except SetupError:
            continue  # something else that lies there
