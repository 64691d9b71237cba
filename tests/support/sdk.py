"""The OpenAI SDK as the tests use it: without retries, and without loading certificates."""

from __future__ import annotations

import ssl
from typing import Any

from openai import AsyncOpenAI, DefaultAsyncHttpxClient

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""A TLS context without certificates: these clients use no TLS, and loading them takes longer than most tests."""


def sdk(base_url: str, key: str, **more: Any) -> AsyncOpenAI:
    """Return a client of the bridge at `base_url`."""
    http = DefaultAsyncHttpxClient(verify=PLAIN)
    return AsyncOpenAI(base_url=base_url, api_key=key, **{"max_retries": 0, "http_client": http, **more})
