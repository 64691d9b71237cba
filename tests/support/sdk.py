"""The OpenAI SDK as the tests use it: it tries nothing again, and reads no certificates that nobody asks for."""

from __future__ import annotations

import ssl
from typing import Any

from openai import AsyncOpenAI, DefaultAsyncHttpxClient

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here speaks TLS, and to load the certificates of the world for each client takes longer than most tests."""


def sdk(base_url: str, key: str, **more: Any) -> AsyncOpenAI:
    """Return a client of the bridge at `base_url`."""
    http = DefaultAsyncHttpxClient(verify=PLAIN)
    return AsyncOpenAI(base_url=base_url, api_key=key, **{"max_retries": 0, "http_client": http, **more})
