"""The settings of a bridge that shares its accounts with other nodes."""

from __future__ import annotations

import socket
from hashlib import sha256

from pydantic import Field, SecretStr

from bridge.setting_types import Section

NAME = r"^[\w.-]+$"
LONGEST_NAME = 64
"""Not a part of the pattern, which would take 7 MB then: a repeated class of all letters is compiled as often."""


class ClusterSettings(Section):
    """Several bridges as nodes of one pool, by way of Redis or Valkey; without an `url` the bridge is alone."""

    url: SecretStr | None = Field(
        None,
        description="the Redis that all nodes share: `redis://`, `rediss://`, `unix://`, "
        "`redis+sentinel://HOST:PORT,HOST:PORT/NAME` or `redis+cluster://HOST:PORT,HOST:PORT`; empty: no other node",
    )
    name: str = Field(
        "bridge",
        pattern=NAME,
        max_length=LONGEST_NAME,
        description="name of the cluster, with which all its keys in Redis begin",
    )
    node: str | None = Field(
        None,
        pattern=NAME,
        max_length=LONGEST_NAME,
        description="name of this node, which no other one has; empty: the host's name",
    )
    key: SecretStr | None = Field(
        None, description="secret of at least 16 characters by which nodes know each other, the same on all of them"
    )
    host: str = Field("127.0.0.1", description="address to listen on for other nodes; never one that strangers reach")
    port: int = Field(8100, ge=0, le=65535, description="port to listen on for other nodes; 0 picks a free one")
    address: str | None = Field(
        None,
        pattern=r"^https?://[^/?#@\s]+$",
        description="where other nodes reach this one, such as `http://10.0.0.5:8100`; empty: `host` and `port`",
    )
    lease: float = Field(
        8.0,
        ge=1,
        le=120,
        description="seconds after which the accounts of a node that has died are another one's; the same on all nodes",
    )
    max_accounts: int | None = Field(
        None, ge=0, description="accounts that this node takes at most; empty: as many as its memory can hold"
    )

    @property
    def own_name(self) -> str:
        """Return the name of this node; empty where the bridge is alone."""
        return "" if self.url is None else self.node or socket.gethostname().partition(".")[0]

    @property
    def mark(self) -> str:
        """Return what the ids begin with that this node makes; empty for a bridge that is alone."""
        return mark_for(self.own_name) if self.own_name else ""


def mark_for(node: str) -> str:
    """Return what the ids begin with that a node makes: 8 hexadecimal digits."""
    return sha256(node.encode()).hexdigest()[:8]
