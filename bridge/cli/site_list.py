"""Prints the supported sites, one site in full, and what is wrong with a site file or left out of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.chat.model_names import listed
from bridge.errors import SetupError
from bridge.origins import site_address
from bridge.printable import as_line
from bridge.sites.known_sites import KnownSite, broken_sites, find_site, known_sites
from bridge.sites.site_file.data_driver import DataDriver
from bridge.sites.site_file.file_notes import notes_of
from bridge.sites.site_file.schema import NAME, SiteFile, WrongSiteFile, load_site_file
from bridge.storage.atomic import create_file


def show_sites(own_files: Path, console: Console) -> None:
    """Print a line for each site, and one for each own file that is not a valid site file."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("Site", "Title", "Address", "Models", "From"):
        table.add_column(heading)
    for site in known_sites(own_files):
        models = ", ".join(model.id for model in site.driver.models)
        cells = (site.name, site.driver.title or site.name, site.driver.start_url, models, _kind(site, own_files))
        table.add_row(*(Text(as_line(cell)) for cell in cells))
    broken: list[Text] = []
    for name, why in broken_sites(own_files):
        table.add_row(Text(as_line(name)), Text("not valid, see below", style="red"))
        broken.append(Text.assemble((f"{as_line(name)}: ", "bold red"), as_line(why)))
    console.print(table)
    for line in broken:
        console.print(line, soft_wrap=True)


def show_site(name: str, own_files: Path, console: Console) -> None:
    """Print the facts of a site, and what its file leaves out."""
    site = find_site(name, own_files)
    facts = Table(box=None, pad_edge=False, show_header=False)
    for what, text in _facts(site, own_files):
        facts.add_row(Text(what, style="bold"), Text(as_line(text)))
    console.print(facts)
    if issubclass(site.driver, DataDriver):
        _show_notes(site.driver.site, console)


def check_file(path: Path, console: Console) -> bool:
    """Print what is wrong with a site file, or what it leaves out; return whether it is valid."""
    try:
        site = load_site_file(path)
        find_site(str(path))
    except WrongSiteFile as error:
        console.print(Text(f"{as_line(str(path))} is not valid:", style="bold red"), soft_wrap=True)
        for fault in error.faults:
            console.print(Text(f"  {fault}"), soft_wrap=True)
        return False
    console.print(Text(f"{as_line(str(path))} describes the site '{site.name}'.", style="green"), soft_wrap=True)
    _show_notes(site, console)
    return True


def write_template(name: str, url: str, own_files: Path) -> Path:
    """Write the template of a site file into the operator's folder, and return its path."""
    if not re.fullmatch(NAME, name):
        raise SetupError("A site's name has only small letters, digits and -, and begins with a letter.")
    try:
        address = site_address(url)
    except ValueError as error:
        raise SetupError(f"--url: {error}.") from error
    path = own_files / f"{name}.toml"
    template = files("bridge.sites.site_file").joinpath("template.toml").read_text("utf-8")
    for place, text in (("{name}", name), ("{title}", name.capitalize()), ("{url}", address), ("{file}", str(path))):
        template = template.replace(place, text)
    try:
        create_file(path, template.encode())
    except FileExistsError:
        raise SetupError(f"{path} exists already; remove it first, or choose another name.") from None
    return path


def _facts(site: KnownSite, own_files: Path) -> Iterator[tuple[str, str]]:
    driver = site.driver
    yield "site", site.name
    yield "title", driver.title or site.name
    yield "address", driver.start_url
    yield "from", _origin(site, own_files)
    if issubclass(driver, DataDriver):
        yield "evidence", driver.site.evidence or "none"
    yield "models", ", ".join(model.id for model in listed(driver.models))
    yield "files", "yes" if any(model.files for model in driver.models) else "no"
    yield "prompt", f"at most {driver.prompt_limit} characters" if driver.prompt_limit else "no limit is known"
    yield "pace", f"{driver.min_interval:g} seconds between two prompts of an account"
    yield "hosts", ", ".join(driver.hosts) or "only its own"


def _origin(site: KnownSite, own_files: Path) -> str:
    return f"{site.source} ({_kind(site, own_files)})"


def _kind(site: KnownSite, own_files: Path) -> str:
    """Return where the site's definition comes from."""
    if Path(site.source).parent == own_files:
        return "your own file, in place of the bridge's" if site.hides else "your own file"
    return "file of the bridge" if issubclass(site.driver, DataDriver) else "module"


def _show_notes(site: SiteFile, console: Console) -> None:
    if notes := notes_of(site):
        console.print(Text("Left out:", style="bold"))
    for note in notes:
        console.print(Text(f"  {as_line(note)}"), soft_wrap=True)
