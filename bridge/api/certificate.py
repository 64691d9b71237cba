"""The certificate with which the endpoint speaks HTTPS; it can be renewed while the bridge runs."""

from __future__ import annotations

import ssl
from pathlib import Path

from bridge.errors import SetupError
from bridge.settings import ServerSettings
from bridge.storage.private_files import disk_errors, read_private

PROTOCOLS = ("http/1.1",)


class Certificate:
    """The certificate files of the settings, as they were when they were read last."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self._newest = _context(certificate, key)
        self.context = _context(certificate, key)
        """What a port listens with; each handshake takes the newest certificate."""
        self.context.sni_callback = self._take_newest

    def renew(self) -> None:
        """Read the files again for the connections to come; a `SetupError` says why the certificate stays as it is."""
        self._newest = _context(*self._files)

    def _take_newest(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._newest


def load_certificate(settings: ServerSettings) -> Certificate | None:
    """Return the certificate of the settings, None where they name none; raise `SetupError` where it is of no use."""
    if settings.tls_certificate is None:
        if settings.tls_key is not None:
            raise SetupError("server.tls_key is the key of a certificate; name that in server.tls_certificate, too.")
        return None
    return Certificate(settings.tls_certificate, settings.tls_key or settings.tls_certificate)


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    with disk_errors(f"read the file {key} of server.tls_key"):
        read_private(key)  # refuses one that others may read
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(PROTOCOLS)
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except ssl.SSLError as error:
        raise SetupError(
            f"The files {certificate} and {key} are no certificate with its key ({error.reason or error}): server."
            "tls_certificate is PEM, the bridge's own certificate first, and server.tls_key the key of that one."
        ) from error
    except OSError as error:
        raise SetupError(f"Cannot read the certificate {certificate}: {error.strerror or error}.") from error
    return context


def _refuse_password() -> str:
    """Refuse a key with a password: OpenSSL would ask for it at the terminal."""
    raise SetupError("The key of server.tls_key has a password; take it out: openssl pkey -in KEY -out NEW")
