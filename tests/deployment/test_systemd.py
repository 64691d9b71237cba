"""The hardened system service, started by a systemd that runs beside the machine's own: in namespaces, in the image."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.deployment.commands import need, run
from tests.deployment.containers import IMAGE, ROOT, Containers
from tests.support.waiting import LIMIT, until

pytestmark = pytest.mark.browser  # they start other programs

UNIT = ROOT / "examples/bridge-system.service"
BOOT = Path(__file__).with_name("boot.sh")
DEMO = "[Service]\nType=oneshot\nRestart=no\nExecStart=\nExecStart=/opt/bridge/bin/bridge demo --once\n"
"""Put beside the unit: the same service, but for what it runs."""
GROUPS = "echo $$ >{}/cgroup.procs; exec unshare --pid --mount --fork --uts --ipc --cgroup --net --kill-child sh {} {}"


class Machine:
    """A systemd that runs, and its root folder."""

    def __init__(self, root: Path, init: psutil.Process) -> None:
        self.root, self._init = root, init

    def run(self, *command: str) -> str:
        """Run a command beside it."""
        enter = ("nsenter", f"--target={self._init.pid}", "--all", "--root", "--wd=/")
        return run(*enter, *command, limit=5 * LIMIT)

    def is_up(self) -> bool:
        """Tell whether it takes orders."""
        with suppress(AssertionError):
            return "multi-user.target" in self.run("systemctl", "list-units", "--type=target", "--plain")
        return False


@pytest.fixture(scope="module")
def root(containers: Containers) -> Iterator[Path]:
    """Yield the image's files, with systemd and the service in them."""
    container = containers.buildah("from", "--pull-never", IMAGE)
    install = "apt-get update -qq && apt-get install -y -qq --no-install-recommends systemd dbus"
    prepare = "usermod --home /var/lib/bridge bridge"
    containers.buildah("run", "--network=host", "--user=root", container, "--", "sh", "-c", f"{install} && {prepare}")
    folder = Path(containers.buildah("mount", container))
    (folder / "etc/systemd/system/bridge.service").write_text(UNIT.read_text("utf-8"), "utf-8")
    yield folder
    containers.buildah("rm", container)


@contextmanager
def booted(root: Path) -> Iterator[Machine]:
    need(unshare="util-linux", nsenter="util-linux", ip="iproute2")
    group = _own_group()
    process = subprocess.Popen(["sh", "-c", GROUPS.format(group, BOOT, root)], stdout=subprocess.PIPE)
    try:
        yield Machine(root, _init_of(process))
    finally:
        for one in psutil.Process(process.pid).children():
            one.kill()  # the first process of the namespace: with it all others end
        process.wait(LIMIT)
        process.communicate()
        with suppress(OSError):
            group.rmdir()


def _own_group() -> Path:
    """Make a control group that the other systemd takes for all there is."""
    found = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    mount = next((Path(words[1]) for words in found if words[2] == "cgroup2"), None)
    if mount is None:
        pytest.skip("needs control groups of version 2")
    group = mount / "bridge-deployment-test"
    group.mkdir(exist_ok=True)
    return group


def _init_of(process: subprocess.Popen[bytes]) -> psutil.Process:
    outer = psutil.Process(process.pid)
    while not (inside := outer.children()):
        assert process.poll() is None, process.stdout and process.stdout.read()
    return inside[0]


async def test_the_hardened_service_starts_reads_its_settings_again_stops_and_answers_a_chat_in_the_sandbox(
    root: Path,
) -> None:
    with booted(root) as machine:
        await until(machine.is_up)
        machine.run("systemctl", "start", "bridge")
        await until(lambda: "Base URL" in journal(machine))
        machine.run("systemctl", "reload", "bridge")
        await until(lambda: "The settings were read again" in journal(machine))
        machine.run("systemctl", "stop", "bridge")
        assert "Result=success" in machine.run("systemctl", "show", "bridge", "--property=Result")
        assert "Stopping: no new chats" in journal(machine)

        drop_in = root / "etc/systemd/system/bridge.service.d/demo.conf"
        drop_in.parent.mkdir(exist_ok=True)
        drop_in.write_text(DEMO, "utf-8")
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "start", "bridge")
        said = journal(machine)
        assert "runs, in its sandbox" in said
        assert "You wrote: **Hello!" in said
        modes = machine.run("stat", "--format=%a %U", "/var/lib/bridge")
        assert modes.strip() == "700 bridge"


def journal(machine: Machine) -> str:
    return machine.run("journalctl", "--unit=bridge", "--no-pager", "--output=cat")
