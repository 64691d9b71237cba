"""The endpoint's TLS certificate, which can be renewed while the bridge runs."""

from __future__ import annotations

import ssl
from pathlib import Path

from bridge.errors import SetupError
from bridge.settings import ServerSettings
from bridge.storage.private_files import disk_errors, read_private

PROTOCOLS = ("http/1.1",)


class Certificate:
    """The certificate and key from the files of the settings, as last read."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self._newest = _context(certificate, key)
        self.context = _context(certificate, key)
        """The context for listening; each handshake uses the newest certificate."""
        self.context.sni_callback = self._take_newest

    def renew(self) -> None:
        """Reload the files for new connections; if they are bad, raise `SetupError` and keep the old certificate."""
        self._newest = _context(*self._files)

    def _take_newest(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._newest


def load_certificate(settings: ServerSettings) -> Certificate | None:
    """Return the certificate of the settings, or None; raise `SetupError` if it cannot be used."""
    if settings.tls_certificate is None:
        if settings.tls_key is not None:
            raise SetupError("server.tls_key needs server.tls_certificate, the certificate of that key.")
        return None
    return Certificate(settings.tls_certificate, settings.tls_key or settings.tls_certificate)


def _context(certificate: Path, key: Path) -> ssl.SSLContext:
    with disk_errors(f"read the file {key} of server.tls_key"):
        read_private(key)  # refuses a file that others can read
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(PROTOCOLS)
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except ssl.SSLError as error:
        raise SetupError(
            f"The files {certificate} and {key} are not a certificate and its key ({error.reason or error}): server."
            "tls_certificate must be PEM with the bridge's own certificate first, and server.tls_key the key of that."
        ) from error
    except OSError as error:
        raise SetupError(f"Cannot read the certificate {certificate}: {error.strerror or error}.") from error
    return context


def _refuse_password() -> str:
    """Refuse a key with a password, because OpenSSL would prompt for it at the terminal."""
    raise SetupError("The key in server.tls_key has a password; remove it: openssl pkey -in KEY -out NEW")
