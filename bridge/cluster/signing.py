"""Nodes authenticate each other by a common key: each call is signed over its time, a nonce, its path and its body.

A call whose time is more than `WINDOW` seconds away, or whose nonce was seen, is refused, so a recorded call cannot be
replayed. The time is the cluster's (`cluster_clock`), independent of the nodes' wall clocks. Nonces are kept by number,
not by time, so a clock that is set back allows no replay. Nothing is encrypted: the nodes' network must be private, or
use TLS.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256

from bridge.cluster.cluster_clock import difference_in_words
from bridge.errors import ClusterUnavailable, PermissionDenied
from bridge.printable import as_line

WINDOW = 30.0
"""Seconds by which the time of a call may differ, for clock skew and latency together."""
TIME, NONCE = "X-Bridge-Time", "X-Bridge-Nonce"
CALLER = "X-Bridge-Node"
"""The name of the calling node, for error messages; it is not signed."""
DIGEST, SIGNATURE = "X-Bridge-Digest", "X-Bridge-Signature"
MOST = 100_000
"""Nonces that are kept, the latest ones."""
LONGEST_NAME = 64
"""Most characters of a caller's name in an error."""


class Signing:
    """The signer of `node`'s calls, which also checks incoming calls; `now` returns Unix seconds."""

    def __init__(self, key: str, now: Callable[[], float] = time.time, node: str = "") -> None:
        self._key = key.encode()
        self._now = now
        self._node = node
        self._seen: OrderedDict[str, None] = OrderedDict()

    def headers(self, method: str, path: str, body: bytes) -> Mapping[str, str]:
        """Return the headers that sign a call."""
        moment, nonce, digest = f"{self._now():.3f}", secrets.token_hex(16), sha256(body).hexdigest()
        signature = self._signature(moment, nonce, method, path, digest)
        return {TIME: moment, NONCE: nonce, DIGEST: digest, SIGNATURE: signature, CALLER: self._node}

    def check(self, headers: Mapping[str, str], method: str, path: str) -> None:
        """Raise `PermissionDenied` unless a call is signed with the common key and is not a replay.

        Raise `ClusterUnavailable` if the clocks differ by too much.

        The body is not needed, so that an unsigned one is never read; `check_body` checks it.
        """
        moment, nonce, digest = (headers.get(name, "") for name in (TIME, NONCE, DIGEST))
        signature = self._signature(moment, nonce, method, path, digest)
        if not hmac.compare_digest(signature.encode(), headers.get(SIGNATURE, "").encode(errors="replace")):
            raise PermissionDenied("The call is not signed with the cluster.key of this node.")
        try:
            ahead = float(moment) - self._now()
        except ValueError as error:
            raise PermissionDenied("The call has no time.") from error
        if not abs(ahead) <= WINDOW:
            caller = as_line(headers.get(CALLER, "")[:LONGEST_NAME]) or "that calls"
            raise ClusterUnavailable(
                f"The clock of the node {caller} is {difference_in_words(ahead)} that of the node {self._node}; at most"
                f" {WINDOW:g} are allowed. `bridge cluster status` names the nodes whose clock is not that of Redis."
            )
        if nonce in self._seen:
            raise PermissionDenied("The call was made before.")
        self._seen[nonce] = None
        if len(self._seen) > MOST:
            self._seen.popitem(last=False)

    @staticmethod
    def check_body(headers: Mapping[str, str], body: bytes) -> None:
        """Raise `PermissionDenied` unless the body is the one that was signed."""
        if sha256(body).hexdigest() != headers.get(DIGEST):
            raise PermissionDenied("The body of the call is not the one that was signed.")

    def _signature(self, moment: str, nonce: str, method: str, path: str, digest: str) -> str:
        head = "\n".join((moment, nonce, method, path, digest))
        return hmac.new(self._key, head.encode(errors="replace"), sha256).hexdigest()
