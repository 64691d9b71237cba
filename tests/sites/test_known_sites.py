"""A site is one file or one folder, in the bridge's own folder of sites or anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import bridge.sites
from bridge.errors import SetupError
from bridge.sites.known_sites import known_sites, load_driver

FILE = """
from bridge.sites.deepseek.driver import Driver as DeepSeek


class Driver(DeepSeek):
    title = "{title}"
"""


def write_sites(folder: Path) -> None:
    """Write a site that is one file, one that is a folder with its driver in a file of its own, and what is none."""
    (folder / "one_file.py").write_text(FILE.format(title="One file"))
    (folder / "one_folder").mkdir()
    (folder / "one_folder" / "driver.py").write_text(FILE.format(title="One folder"))
    (folder / "no_site.py").write_text("Driver = 1\n")


@pytest.fixture
def own_sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package of sites of one's own, which Python finds."""
    package = tmp_path / "my_sites"
    package.mkdir()
    (package / "__init__.py").touch()
    write_sites(package)
    (package / "one_folder" / "__init__.py").write_text("from my_sites.one_folder.driver import Driver as Driver\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_sites"
    forget("my_sites")


@pytest.fixture
def more_sites(tmp_path: Path) -> Iterator[None]:
    """More sites in the bridge's own folder of sites."""
    write_sites(tmp_path)
    source = "from bridge.sites.one_folder.driver import Driver as Driver\n"
    (tmp_path / "one_folder" / "__init__.py").write_text(source)
    bridge.sites.__path__.append(str(tmp_path))
    yield
    bridge.sites.__path__.remove(str(tmp_path))
    for name in ("one_file", "one_folder", "no_site"):
        forget(f"bridge.sites.{name}")


def forget(package: str) -> None:
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


@pytest.mark.parametrize(("name", "title"), [("one_file", "One file"), ("one_folder", "One folder")])
def test_a_site_of_ones_own_is_one_file_or_one_folder(own_sites: str, name: str, title: str) -> None:
    assert load_driver(f"{own_sites}.{name}").title == title


@pytest.mark.usefixtures("more_sites")
def test_a_file_or_a_folder_beside_the_others_is_a_site() -> None:
    assert (load_driver("one_file").title, load_driver("one_folder").title) == ("One file", "One folder")
    names = [site.name for site in known_sites()]
    assert names == sorted(names)
    assert {"deepseek", "one_file", "one_folder"} <= set(names)
    assert "no_site" not in names


@pytest.mark.usefixtures("more_sites")
@pytest.mark.parametrize("name", ["nowhere", "contract", "no_site", "my.nowhere"])
def test_what_is_no_site_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(SetupError, match=f"'{name}'"):
        load_driver(name)
