"""Self-signed certificates, made by `openssl`."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

NAME = "bridge.example.com"


@dataclass(frozen=True)
class CertificateFiles:
    """A certificate and its key."""

    certificate: Path
    key: Path

    def trusting(self) -> ssl.SSLContext:
        """Return the TLS context of a client that trusts only this certificate."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def shown(self) -> bytes:
        """Return the certificate in the form in which a server shows it."""
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text("ascii"))

    def become(self, other: CertificateFiles) -> None:
        """Overwrite these files with this certificate, as a renewal does."""
        for own, its in ((self.certificate, other.certificate), (self.key, other.key)):
            own.write_bytes(its.read_bytes())


async def self_signed(folder: Path, name: str = "one") -> CertificateFiles:
    """Make a certificate for `NAME` and this machine."""
    made = CertificateFiles(folder / f"{name}.pem", folder / f"{name}.key")
    await openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"),
        *("-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},DNS:localhost,IP:127.0.0.1"),
        *("-keyout", str(made.key), "-out", str(made.certificate)),
    )
    made.key.chmod(0o600)
    return made


async def openssl(*words: str) -> None:
    """Run an `openssl` command."""
    process = await asyncio.create_subprocess_exec(
        "openssl", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def shown_by(url: str) -> bytes:
    """Return the certificate that the server shows to a new connection that sends no server name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port, ssl=context)
    shown: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return shown
