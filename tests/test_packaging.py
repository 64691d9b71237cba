"""The locks: complete, pinned by hash, and the same on every machine."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = ("run", "otel", "dev", "build")
APART = ("clients", "pages", "gradio-4", "open-webui")
"""Locks of environments of their own."""
NODE = ("tests/clients/node", "tests/real_pages/deep_chat")
"""Folders whose packages are for Node."""
LEFT_OUT_OF_SCAN = r"^(\.lock/|.*package-lock\.json|\.secrets\.baseline)"
"""Files that consist of hashes."""


def text(lock: str) -> str:
    return (ROOT / ".lock" / f"{lock}.txt").read_text("utf-8")


def pins(lock: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text(lock), re.MULTILINE))


def plain(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace("_", "-") for requirement in requirements}


def test_every_requirement_of_the_project_is_locked() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert plain(pyproject["project"]["dependencies"]) <= pins("run").keys()
    for extra, requirements in pyproject["project"]["optional-dependencies"].items():
        assert plain(requirements) <= pins(extra).keys()
    for group in ("dev", *APART):
        assert plain(pyproject["dependency-groups"][group]) <= pins(group).keys()
    assert plain(pyproject["build-system"]["requires"]) <= pins("build").keys()


def test_all_locks_agree_on_the_versions() -> None:
    run, otel, dev, build = (pins(lock) for lock in LOCKS)
    assert run.items() <= otel.items() <= dev.items()
    assert {name: dev.get(name, version) for name, version in build.items()} == build


@pytest.mark.parametrize("lock", [*LOCKS, *APART])
def test_every_locked_package_has_a_hash_and_none_a_source_of_its_own(lock: str) -> None:
    packages = re.split(r"^(?=[a-z0-9.-]+==)", text(lock), flags=re.MULTILINE)[1:]
    assert [package for package in packages if "--hash=sha256:" not in package] == []
    assert {package.partition("==")[0] for package in packages} == pins(lock).keys()
    assert not re.search(r"://| @ |^\s*-(-index|-extra|-find|i |f )|/(home|root|tmp|opt)/", text(lock), re.MULTILINE)


@pytest.mark.parametrize("folder", NODE)
def test_every_package_for_node_is_locked_with_a_hash_and_without_a_source(folder: str) -> None:
    wanted = json.loads((ROOT / folder / "package.json").read_text("utf-8"))
    packages = json.loads((ROOT / folder / "package-lock.json").read_text("utf-8"))["packages"]
    assert packages.pop("")["dependencies"] == wanted["dependencies"]
    assert {f"node_modules/{name}" for name in wanted["dependencies"]} <= packages.keys()
    assert [name for name, package in packages.items() if "integrity" not in package or "resolved" in package] == []


def test_the_audit_covers_what_is_installed_and_every_file() -> None:
    recipe = (ROOT / "Makefile").read_text("utf-8").partition("\naudit:")[2].partition("\n\n")[0]
    assert "pip-audit" in recipe
    assert "--strict" in recipe, "else a package that the index does not know would count as safe"
    assert {f".lock/{lock}.txt" for lock in ("otel", "build")} <= set(recipe.split())
    assert "detect-secrets-hook --baseline .secrets.baseline $$(git ls-files)" in recipe
    baseline = json.loads((ROOT / ".secrets.baseline").read_text("utf-8"))
    (left_out,) = (one["pattern"] for one in baseline["filters_used"] if one["path"].endswith("should_exclude_file"))
    assert left_out == [LEFT_OUT_OF_SCAN]
    assert "make audit" in (ROOT / ".github/workflows/test.yml").read_text("utf-8")
