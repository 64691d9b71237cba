"""Tools that people install programs with: each installs the wheel, and the demo runs from there."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.deployment.commands import run
from tests.deployment.containers import ROOT

pytestmark = pytest.mark.browser  # they start other programs

UV = (sys.executable, "-m", "uv")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(*UV, "build", "--quiet", "--wheel", "--no-build-isolation", "--out-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.mark.parametrize("tool", ["uv", "pipx"])
def test_the_demo_runs_from_what_a_tool_has_installed(wheel: Path, tmp_path: Path, tool: str) -> None:
    programs = tmp_path / "bin"
    if tool == "uv":
        places = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(programs)}
        run(*UV, "tool", "install", "--quiet", "--python", sys.executable, wheel, env=places)
    else:
        places = {"PIPX_HOME": str(tmp_path / "tools"), "PIPX_BIN_DIR": str(programs)}
        run(*UV, "tool", "run", "--quiet", "pipx", "install", "--python", sys.executable, wheel, env=places)
    elsewhere = {"HOME": str(tmp_path), "PYTHONPATH": ""}
    assert "0." in run(programs / "bridge", "version", env=elsewhere)
    assert "You wrote: **Hello!" in run(programs / "bridge", "demo", "--once", env=elsewhere)
