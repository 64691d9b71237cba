"""These tests take minutes, root and Debian packages, so only `make deployment` collects them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.deployment.containers import Containers

collect_ignore_glob = [] if os.environ.get("DEPLOYMENT") else ["test_*.py"]


@pytest.fixture(scope="session")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    """Build the image of the Dockerfile once, and keep it for all tests."""
    with Containers.built(tmp_path_factory.mktemp("containers")) as made:
        yield made
