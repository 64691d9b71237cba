"""The manifests fit the schemas of their formats, as packages bring them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import jsonschema_rs
import pytest

from tests.deployment.commands import run
from tests.deployment.containers import COMPOSE, ROOT
from tests.docs.test_manifests import EXAMPLES, read

pytestmark = pytest.mark.browser  # they start other programs

UVX = (sys.executable, "-m", "uv", "tool", "run", "--quiet")


@pytest.mark.parametrize("name", ["kubernetes.yaml", "kubernetes-cluster.yaml"])
def test_the_manifests_for_kubernetes_fit_its_schema(name: str) -> None:
    said = run(*UVX, "--from", "kubernetes-validate", "kubernetes-validate", "--strict", EXAMPLES / name)
    assert said.count("passed") == len(read(name)), said


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.compose-spec", COMPOSE),
        *(("vendor.github-workflows", file) for file in sorted((ROOT / ".github/workflows").glob("*.yml"))),
    ],
    ids=lambda value: Path(value).name,
)
def test_the_files_of_other_tools_fit_their_schemas(schema: str, file: Path) -> None:
    run(*UVX, "check-jsonschema", "--builtin-schema", schema, file)


def test_the_blueprint_fits_renders_schema() -> None:
    if not (path := os.environ.get("RENDER_SCHEMA")):
        pytest.skip("RENDER_SCHEMA names no copy of render.com/schema/render.yaml.json, which is in no package")
    jsonschema_rs.validate(json.loads(Path(path).read_text("utf-8")), read("render.yaml")[0])
