"""The examples for nginx and Caddy, in real servers in front of a bridge."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.docs.blocks import ROOT
from tests.docs.test_examples import ended, program
from tests.support.browsers import free_port
from tests.support.certificates import NAME, CertificateFiles, self_signed
from tests.support.fake_backend import KEY
from tests.support.listening import is_open
from tests.support.waiting import until

EXAMPLES = ROOT / "examples"


class Here(AbstractResolver):
    """Resolves every name to this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return this machine."""
        place = ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)
        return [place]

    async def close(self) -> None:
        """Do nothing."""


async def nginx(
    folder: Path, files: CertificateFiles, port: int, bridge: int, example: str = "nginx.conf"
) -> list[str]:
    """Return the command that runs nginx with the example."""
    site = (EXAMPLES / example).read_text("utf-8")
    site = re.sub(r"(ssl_certificate +)\S+;", rf"\1{files.certificate};", site)
    site = re.sub(r"(ssl_certificate_key +)\S+;", rf"\1{files.key};", site)
    site = re.sub(r"listen \d+", f"listen 127.0.0.1:{port}", site)
    site = re.sub(r"http://127\.0\.0\.1:\d+", f"http://127.0.0.1:{bridge}", site)
    places = "\n".join(
        f"{name}_temp_path {folder / name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"daemon off;\nmaster_process off;\npid {folder / 'pid'};\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{places}\n{site}\n}}\n",
        "utf-8",
    )
    command = [program("nginx"), "-p", str(folder), "-c", str(file)]
    code, said = await ended(*command, "-t")
    assert code == 0, said
    return command


async def caddy(folder: Path, files: CertificateFiles, port: int, bridge: int) -> list[str]:
    """Return the command that runs Caddy with the example and a local certificate."""
    site = (EXAMPLES / "Caddyfile").read_text("utf-8").replace("127.0.0.1:8000", f"127.0.0.1:{bridge}")
    own = f"{NAME}:{port} {{\n\tbind 127.0.0.1\n\ttls {files.certificate} {files.key}\n"
    file = folder / "Caddyfile"
    file.write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + site.replace(f"{NAME} {{\n", own), "utf-8")
    return [program("caddy"), "run", "--config", str(file), "--adapter", "caddyfile"]


PROXIES: dict[str, Callable[[Path, CertificateFiles, int, int], Awaitable[list[str]]]] = {
    "nginx": nginx,
    "Caddy": caddy,
}


@asynccontextmanager
async def behind(name: str, folder: Path, bridge: int) -> AsyncGenerator[aiohttp.ClientSession]:
    """Run a proxy with its example in front of a bridge, and yield a client of it."""
    port, files = free_port(), await self_signed(folder)
    command = await PROXIES[name](folder, files, port, bridge)
    quiet = asyncio.subprocess.DEVNULL
    places = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet, env=places)
    try:
        await until(lambda: process.returncode is not None or is_open(port))
        assert process.returncode is None
        connector = aiohttp.TCPConnector(ssl=files.trusting(), resolver=Here())
        headers = {"Authorization": f"Bearer {KEY}"}
        async with aiohttp.ClientSession(f"https://{NAME}:{port}", connector=connector, headers=headers) as http:
            yield http
    finally:
        process.terminate()
        await process.wait()
