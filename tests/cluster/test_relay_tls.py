"""Calls between nodes go through TLS as the example for nginx puts it before a node, with an authority of one's own."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bridge.cluster.node_directory import NodeInfo
from bridge.cluster.relay_client import RelayClient
from bridge.cluster.signing import Signing
from bridge.errors import NodeLost
from tests.cluster.test_relay import EVERYTHING, Scripted, asked, events_of, relayed
from tests.docs.test_examples import ended
from tests.support.browsers import free_port
from tests.support.certificates import self_signed
from tests.support.cluster_nodes import KEY
from tests.support.listening import is_open
from tests.support.proxies import nginx
from tests.support.waiting import until

pytestmark = pytest.mark.browser  # it starts other programs


async def test_a_chat_goes_to_another_node_through_tls_that_only_the_right_authority_is_trusted_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, port, backend = await self_signed(tmp_path), free_port(), Scripted()
    async with relayed(backend) as (_, node):
        behind = urlsplit(node.address).port or 0
        command = await nginx(tmp_path, files, port, behind, "nginx-nodes.conf")
        process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        try:
            await until(lambda: is_open(port))
            caller = (sys.executable, "-m", "tests.cluster.test_relay_tls", f"https://localhost:{port}")
            _, refused = await ended(*caller)
            assert "no longer answers; nothing was sent" in refused
            assert backend.seen == []
            # read when a process starts
            monkeypatch.setenv("SSL_CERT_FILE", str(files.certificate))
            assert (await ended(*caller))[1].strip() == "every event as it was"
        finally:
            process.terminate()
            await process.wait()
    assert backend.returned


async def call(address: str) -> str:
    """Chat on the node at `address`, and return what came of it."""
    async with RelayClient(Signing(KEY)) as client:
        try:
            found = await events_of(client, NodeInfo("one", "1", address, 1), asked())
        except NodeLost as error:
            return error.message
    return "every event as it was" if found == list(EVERYTHING) else repr(found)


if __name__ == "__main__":
    print(asyncio.run(call(sys.argv[1])))
