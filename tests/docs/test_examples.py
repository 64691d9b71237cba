"""The examples work: settings load, services and proxies are valid and pass on what they should, clients run."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from bridge.settings import ServerSettings, Settings
from bridge.settings_sources import describe, load_settings
from tests.docs.blocks import ROOT
from tests.support.browsers import need
from tests.support.fake_backend import KEY, Served, serving

EXAMPLES = ROOT / "examples"
CLIENTS = EXAMPLES / "clients"
BASE, KEY_IN_EXAMPLES = "http://127.0.0.1:8000/v1", "sk-bridge-..."
MOST_EXPOSURE = 25
"""Tenths: of 10.0, which is all; what is left is what Chromium needs for its own sandbox, and the network."""
yaml: Any = importlib.import_module("yaml")


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def uncommented() -> str:
    """Return the annotated settings with each setting in force."""
    return re.sub(r"^#(?=[a-z_]+ = )", "", (EXAMPLES / "bridge.toml").read_text("utf-8"), flags=re.MULTILINE)


def flat(document: Mapping[str, Any]) -> dict[str, Any]:
    sections = {name for name, field in Settings.model_fields.items() if not isinstance(field.default, str | Path)}
    found: dict[str, Any] = {}
    for name, value in document.items():
        inner = isinstance(value, dict) and name in sections
        found |= {f"{name}.{key}": one for key, one in value.items()} if inner else {name: value}
    return found


def test_the_annotated_settings_change_nothing_as_they_are() -> None:
    assert load_settings(EXAMPLES / "bridge.toml").model_dump() == Settings().model_dump()


def test_the_annotated_settings_have_every_setting_with_its_default_or_a_value_that_is_taken() -> None:
    given = flat(tomllib.loads(uncommented()))
    assert given.keys() == {name for name, _, _, _ in describe()}
    defaults = flat(Settings().model_dump(mode="json"))
    without = {name for name, value in defaults.items() if value in (None, [], {})}
    assert {name: value for name, value in given.items() if name not in without and "~" not in str(value)} == {
        name: value for name, value in defaults.items() if name not in without and "~" not in str(given[name])
    }
    for name in sorted(without):
        section, _, key = name.rpartition(".")
        load_settings(**({section: {key: given[name]}} if section else {key: given[name]}))


async def ended(*command: str | Path, **more: str) -> tuple[int, str]:
    """Return the exit code of a command and all that it has printed."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **more},
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


def program(name: str) -> str:
    """Return where a program is; without it, skip the test, or fail it on a machine for tests."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    need(found, name)
    assert found is not None
    return found


@pytest.mark.browser
@pytest.mark.parametrize("name", ["bridge.service", "bridge-system.service"])
async def test_the_systemd_units_are_valid_and_give_the_bridge_time_to_stop(tmp_path: Path, name: str) -> None:
    unit = (EXAMPLES / name).read_text("utf-8")
    stop = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert stop is not None
    assert int(stop[1]) > ServerSettings().drain
    verify = program("systemd-analyze")
    file = tmp_path / name
    file.write_text(re.sub(r"(?<=^ExecStart=)\S+", sys.executable, unit, flags=re.MULTILINE), "utf-8")
    kind = "--user" if "%h" in unit else "--system"
    code, said = await ended(verify, "verify", kind, file, XDG_RUNTIME_DIR=str(tmp_path))
    assert (code, [line for line in said.splitlines() if file.name in line]) == (0, []), said


@pytest.mark.browser
async def test_the_system_service_exposes_little_as_systemd_counts_it(capsys: pytest.CaptureFixture[str]) -> None:
    check = (program("systemd-analyze"), "security", "--offline=true", f"--threshold={MOST_EXPOSURE}")
    code, said = await ended(*check, EXAMPLES / "bridge-system.service")
    with capsys.disabled():
        print(f"\n{said.splitlines()[-1]}", end="")
    assert code == 0, said


def test_the_compose_file_says_the_same_as_the_head_of_the_dockerfile() -> None:
    service = read_yaml(EXAMPLES / "compose.yaml")["services"]["bridge"]
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    head = dockerfile.partition("\nFROM")[0].replace("\\\n#", "")
    assert [f"-p {port}" for port in service["ports"] if f"-p {port}" not in head] == []
    assert [f"-v {volume}" for volume in service["volumes"] if f"-v {volume}" not in head] == []
    assert [f"--tmpfs {place}" for place in service["tmpfs"] if f"--tmpfs {place}" not in head] == []
    assert f"--memory {service['mem_limit']} --pids-limit {service['pids_limit']}" in head
    assert f"--stop-timeout {service['stop_grace_period'].removesuffix('s')} " in head
    assert int(service["stop_grace_period"].removesuffix("s")) > ServerSettings().drain
    assert "--read-only" in head
    assert service["read_only"] is True
    assert "--cap-drop ALL" in head
    assert service["cap_drop"] == ["ALL"]
    profile = next(one for one in service["security_opt"] if one.startswith("seccomp=")).removeprefix("seccomp=")
    assert json.loads((EXAMPLES / profile).read_text("utf-8"))["defaultAction"] == "SCMP_ACT_ERRNO"
    assert [one.partition(":")[2] for one in service["volumes"]] == json.loads(
        re.findall(r"^VOLUME (.*)$", dockerfile, re.MULTILINE)[0]
    )


@pytest.mark.browser
async def test_the_example_of_the_python_sdk_prints_the_answer(tmp_path: Path) -> None:
    async with serving() as served:
        script = tmp_path / "example.py"
        script.write_text(pointed_at(served, CLIENTS / "openai_sdk.py"), "utf-8")
        assert await ended(sys.executable, script) == (0, "Hello")


def pointed_at(served: Served, example: Path) -> str:
    """Return an example with the address and the key of a bridge put in."""
    text = example.read_text("utf-8")
    assert BASE in text
    assert KEY_IN_EXAMPLES in text
    return text.replace(BASE, f"http://127.0.0.1:{served.port}/v1").replace(KEY_IN_EXAMPLES, KEY)


def test_the_snippet_of_the_readme_is_the_example_of_the_python_sdk() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    snippet = re.findall(r"^```python\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)[0]
    example = (CLIENTS / "openai_sdk.py").read_text("utf-8").partition("\n\n")[2]
    assert snippet == example


@pytest.mark.parametrize("name", ["ollama", "google"])
def test_the_snippet_about_a_dialect_is_the_example_of_its_sdk(name: str) -> None:
    text = (ROOT / "docs" / f"{name.replace('google', 'gemini')}.md").read_text("utf-8")
    (snippet,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert snippet == (CLIENTS / f"{name}_sdk.py").read_text("utf-8").partition("\n\n")[2]


def test_the_snippets_about_anthropics_api_are_the_examples() -> None:
    text = (ROOT / "docs/anthropic.md").read_text("utf-8")
    (snippet,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert snippet == (CLIENTS / "anthropic_sdk.py").read_text("utf-8").partition("\n\n")[2]
    typed = dict(re.findall(r"^export (\w+)=(.*)$", text, re.MULTILINE))
    assert typed == dotenv_values(CLIENTS / "claude-code.env")
    assert typed["ANTHROPIC_BASE_URL"] == BASE.removesuffix("/v1")


def test_the_files_of_further_clients_name_base_url_key_and_model() -> None:
    aider = read_yaml(CLIENTS / "aider.conf.yml")
    assert aider == {
        "openai-api-base": BASE,
        "openai-api-key": KEY_IN_EXAMPLES,
        "model": "openai/deepseek-chat",
    }
    inside = BASE.replace("127.0.0.1", "host.docker.internal")
    open_webui, lobechat = (dotenv_values(CLIENTS / name) for name in ("open-webui.env", "lobechat.env"))
    assert open_webui == {"OPENAI_API_BASE_URL": inside, "OPENAI_API_KEY": KEY_IN_EXAMPLES}
    assert (lobechat["OPENAI_PROXY_URL"], lobechat["OPENAI_API_KEY"]) == (inside, KEY_IN_EXAMPLES)


def test_each_client_of_the_dashboard_has_an_example() -> None:
    snippets = (ROOT / "bridge/dashboard/static/setup/snippets.js").read_text("utf-8")
    readme = (CLIENTS / "README.md").read_text("utf-8")
    assert [name for name in re.findall(r'^    name: "(.*)",$', snippets, re.MULTILINE) if name not in readme] == []
