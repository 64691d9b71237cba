"""The settings of a bridge that shares its accounts with other nodes."""

from __future__ import annotations

import socket
from hashlib import sha256

from pydantic import Field, SecretStr

from bridge.setting_types import Section

NAME = r"^[\w.-]+$"
LONGEST_NAME = 64
"""Most characters of a name; not part of the pattern, whose repetition would compile to 7 MB."""


class ClusterSettings(Section):
    """Several bridges as nodes of one pool, through Redis or Valkey; without a `url` there is no cluster."""

    url: SecretStr | None = Field(
        None,
        description="the Redis that all nodes share: `redis://`, `rediss://`, `unix://`, "
        "`redis+sentinel://HOST:PORT,HOST:PORT/NAME` or `redis+cluster://HOST:PORT,HOST:PORT`; empty: no other node",
    )
    name: str = Field(
        "bridge",
        pattern=NAME,
        max_length=LONGEST_NAME,
        description="name of the cluster, the prefix of all its keys in Redis",
    )
    node: str | None = Field(
        None,
        pattern=NAME,
        max_length=LONGEST_NAME,
        description="unique name of this node; empty: the host's name",
    )
    key: SecretStr | None = Field(
        None,
        description="secret of at least 16 characters by which nodes authenticate, the same on all of them",
    )
    host: str = Field("127.0.0.1", description="address to listen on for other nodes; never a public one")
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
        description="seconds after which other nodes take the accounts of a dead node; the same on all",
    )
    max_accounts: int | None = Field(
        None, ge=0, description="most accounts that this node takes; empty: as many as its memory can hold"
    )

    @property
    def own_name(self) -> str:
        """Return the name of this node; empty without a cluster."""
        return "" if self.url is None else self.node or socket.gethostname().partition(".")[0]

    @property
    def mark(self) -> str:
        """Return the prefix of ids that this node makes; empty without a cluster."""
        return mark_for(self.own_name) if self.own_name else ""


def mark_for(node: str) -> str:
    """Return the prefix of ids that a node makes: 8 hexadecimal digits."""
    return sha256(node.encode()).hexdigest()[:8]
