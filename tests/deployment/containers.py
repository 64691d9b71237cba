"""Builds and runs the image without a Docker engine: buildah and podman, on a base that stands in for Docker Hub's.

Memory and process limits are the one thing of the Compose file that is not tried: they would need control groups, which
these runs do without.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.deployment.commands import need, run

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "examples/compose.yaml"
BASE = "docker.io/library/python:3.11-slim-bookworm"
IMAGE = "localhost/bridge"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
"""What this machine trusts; a mirror of packages may need it."""
INSIDE = "/host-certificates.crt"
DRESS = "ln -s python3 /usr/bin/python; rm -f /usr/lib/python3*/EXTERNALLY-MANAGED; rm -rf /var/lib/apt/lists/*"
OWN_MOUNTS = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"'
"""Run in a mount namespace of its own: crun does not get on with two versions of control groups at a time."""
UNLIMITED = ("--cgroups=disabled", "--log-driver=none", "--ulimit=nofile=1024:4096", "--ulimit=nproc=4096:8192")


@dataclass(frozen=True)
class Containers:
    """A store of images, with the bridge's among them."""

    store: Path

    @classmethod
    @contextmanager
    def built(cls, store: Path) -> Iterator[Containers]:
        """Build the image."""
        if os.geteuid():
            pytest.skip("needs root: this way to build and run images does without a Docker engine")
        need(mmdebstrap="mmdebstrap", buildah="buildah", podman="podman", crun="crun")
        made = cls(store)
        try:
            made._make_base()
            made.buildah("bud", "--pull-never", "--network=host", *_certificates(), "-t", IMAGE, ROOT)
            yield made
        finally:
            shutil.rmtree(store, ignore_errors=True)  # not by buildah: the last test may be one that starts no program

    def buildah(self, *words: object) -> str:
        """Run buildah, which isolates by chroot alone."""
        return run("buildah", *self._places(), *words, env={"BUILDAH_ISOLATION": "chroot"}).strip()

    def podman(self, *words: object) -> str:
        """Run podman to its end."""
        return run(*self._podman(), *words)

    def started(self, *words: object) -> subprocess.Popen[bytes]:
        """Start podman."""
        command = [str(word) for word in (*self._podman(), *words)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def options(self) -> list[str]:
        """Return the options of podman that say what the Compose file says, but for ports and limits."""
        service = read_compose()
        tmpfs = (one.replace("uid=10001,gid=10001", "U") for one in service["tmpfs"])  # as podman writes it
        security = (one.replace("../", f"{ROOT}/") for one in service["security_opt"])
        return [
            *UNLIMITED,
            *(f"--cap-drop={one}" for one in service["cap_drop"]),
            *(f"--security-opt={one}" for one in security),
            *(f"--tmpfs={one}" for one in tmpfs),
            *(f"--volume={one}" for one in service["volumes"]),
            *(f"--env={name}={value}" for name, value in service["environment"].items()),
            *(("--read-only", "--read-only-tmpfs=false") if service["read_only"] else ()),
        ]

    def _make_base(self) -> None:
        tar = self.store / "base.tar"
        run(
            *("mmdebstrap", "--quiet", "--variant=minbase", "bookworm", tar),
            "--include=ca-certificates,python3,python3-venv,python3-pip",
        )
        base = self.buildah("from", "scratch")
        self.buildah("add", "--quiet", base, tar, "/")
        tar.unlink()
        self.buildah("run", base, "--", "sh", "-c", DRESS)
        self.buildah("config", f"--env=PIP_CERT={INSIDE}", base)
        self.buildah("commit", "--quiet", "--rm", base, BASE)

    def _places(self) -> Sequence[object]:
        return "--root", self.store / "images", "--runroot", self.store / "run"

    def _podman(self) -> Sequence[object]:
        return "unshare", "-m", "sh", "-c", OWN_MOUNTS, "sh", "podman", *self._places(), "--runtime", "crun"


def _certificates() -> list[str]:
    return [f"--volume={CERTIFICATES}:{INSIDE}:ro"]


def read_compose() -> dict[str, Any]:
    """Return the service of the Compose file."""
    yaml = importlib.import_module("yaml")
    service: dict[str, Any] = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]["bridge"]
    return service


def health_check() -> list[str]:
    """Return the command with which Docker asks whether the container is well."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    command: list[str] = json.loads(text.partition("HEALTHCHECK")[2].partition("CMD ")[2].partition("\n")[0])
    return command
