"""Whatever the documentation names is there: files, headings, commands, settings, errors, names in the code."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import typer
from typer.core import TyperGroup

from bridge import errors
from bridge.cli.command_line import app
from bridge.settings import Settings
from bridge.settings_sources import describe
from bridge.telemetry import WorkerState
from tests.docs.blocks import ROOT
from tests.docs.references import (
    COMMAND,
    ERROR,
    LINK,
    NAME,
    OPTION,
    PATH,
    anchors,
    markdown_files,
    spans,
    texts_in_code,
    typed,
)

DOCUMENTS = markdown_files()
OF_COMMANDS = {"BRIDGE_PASSWORD", "BRIDGE_TOKEN"}
OF_FILES = (".db", ".toml", ".service", ".example")


def test_each_link_leads_somewhere() -> None:
    for document in DOCUMENTS:
        broken = []
        for target in LINK.findall(document.read_text("utf-8")):
            if "://" in target or target.startswith("mailto:"):
                continue
            path, _, anchor = target.partition("#")
            there = (document.parent / path).resolve() if path else document
            if not there.exists() or (anchor and anchor not in anchors(there.read_text("utf-8"))):
                broken.append(target)
        assert broken == [], document


def test_each_file_that_is_named_exists() -> None:
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        named = {path for typed_text in typed(text) for path in PATH.findall(typed_text) if "NAME" not in path}
        assert [
            path for path in sorted(named) if not any(ROOT.glob(path)) and not (document.parent / path).exists()
        ] == [], document


@cache
def cli() -> Any:
    return typer.main.get_command(app)


def command(words: str) -> tuple[Any, str]:
    """Return the deepest command that the words name, and the words behind it."""
    found = cli()
    rest = words.removeprefix("--config FILE ").split()
    while rest and isinstance(found, TyperGroup) and rest[0] in found.commands:
        found = found.commands[rest.pop(0)]
    return found, " ".join(rest)


def test_each_command_that_is_named_exists_with_its_options() -> None:
    for document in DOCUMENTS:
        wrong = []
        for text in typed(document.read_text("utf-8")):
            for words, behind in COMMAND.findall(text):
                found, rest = command(words)
                known = {option for one in found.params for option in one.opts} | {"--help", "-h", "--config"}
                missing = [option for option in OPTION.findall(f" {behind}") if option not in known]
                if isinstance(found, TyperGroup) and (rest or found.name is None):
                    missing.append(words)
                wrong += [f"{text}: {one}" for one in missing]
        assert wrong == [], document


def test_each_make_target_that_is_named_exists() -> None:
    for document in DOCUMENTS:
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        named = [match for text in typed(document.read_text("utf-8")) for match in re.findall(r"^make ([a-z-]+)", text)]
        assert [one for one in named if one not in targets] == [], document


def test_each_module_that_is_to_be_run_exists() -> None:
    for document in DOCUMENTS:
        found = [
            name for text in typed(document.read_text("utf-8")) for name in re.findall(r"python -m ([\w.]+)", text)
        ]
        assert [name for name in found if importlib.util.find_spec(name) is None] == [], document


def setting_names() -> Iterator[str]:
    yield from (name for name, _, _, _ in describe())


def test_each_setting_that_is_named_exists() -> None:
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        known = set(setting_names())
        sections = {name.partition(".")[0] for name in known if "." in name}
        found = [re.match(r"[a-z]+\.[a-z_]+(?= = |$)", span) for span in spans(text)]
        named = {match[0] for match in found if match and not match[0].endswith(OF_FILES)}
        assert [one for one in sorted(named) if one.partition(".")[0] in sections and one not in known] == [], document
        variables = {variable for _, variable, _, _ in describe()} | OF_COMMANDS
        assert sorted(set(re.findall(r"BRIDGE_[A-Z_]+[A-Z]", text)) - variables) == [], document


def test_the_settings_have_sections() -> None:
    assert {name.partition(".")[0] for name in setting_names()} == set(Settings.model_fields)


def error_classes(base: type[errors.BridgeError] = errors.BridgeError) -> Iterator[type[errors.BridgeError]]:
    yield base
    for kind in base.__subclasses__():
        yield from error_classes(kind)


def test_each_error_that_is_named_has_that_status() -> None:
    for document in DOCUMENTS:
        known = {(str(kind.status), kind.code) for kind in error_classes()}
        assert set(ERROR.findall(document.read_text("utf-8"))) - known == set(), document


def test_each_symptom_of_the_troubleshooting_is_a_text_of_the_product() -> None:
    rows = [line for line in (ROOT / "docs/troubleshooting.md").read_text("utf-8").splitlines() if line[:2] == "| "]
    symptoms = [span for row in rows for span in spans(row.split("|")[1]) if " " in span and not span[0].isdigit()]
    said = texts_in_code()
    assert len(symptoms) > 15
    assert [one for one in symptoms if one not in said] == []


def test_each_name_in_the_code_exists() -> None:
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        names = {
            span.removesuffix("()") for span in spans(text) if NAME.fullmatch(span) and not span.endswith(OF_FILES)
        }
        assert [name for name in sorted(names) if not resolves(name)] == [], document


def resolves(name: str) -> bool:
    """Tell whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for split in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:split]))
        except ModuleNotFoundError:
            continue
        for part in parts[split:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def test_the_states_of_an_account_are_those_of_the_code() -> None:
    states = (ROOT / "docs/architecture.md").read_text("utf-8").partition("## States of an account")[2]
    assert re.findall(r"^\| `(\w+)` \|", states, re.MULTILINE) == [state.value for state in WorkerState]


def test_every_command_is_explained() -> None:
    text = (ROOT / "docs/commands.md").read_text("utf-8")
    assert [name for name in cli().commands if f"`bridge {name}" not in text] == []


def test_each_test_that_is_named_exists() -> None:
    for document in DOCUMENTS:
        named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", document.read_text("utf-8"))
        missing = [f"{file}::{test}" for file, test in named if f"def {test}(" not in (ROOT / file).read_text("utf-8")]
        assert missing == [], document


def test_every_threat_names_a_test() -> None:
    rows = [line for line in (ROOT / "SECURITY.md").read_text("utf-8").splitlines() if line[:2] == "| "]
    threats = [row for row in rows if not row.startswith("| threat |")]
    assert len(threats) > 20
    assert [row for row in threats if "`tests/" not in row.split("|")[3]] == []
