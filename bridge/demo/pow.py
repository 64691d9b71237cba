"""Proof of work: the site issues challenges, and the page finds the number behind each; each counts once.

DeepSeekHashV1 is SHA3-256 without round 0 of its permutation.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import time
from dataclasses import dataclass

ALGORITHM = "DeepSeekHashV1"
_RATE = 136
_MASK = (1 << 64) - 1
_ROUND_CONSTANTS = (
    0x0000000000008082, 0x800000000000808A, 0x8000000080008000, 0x000000000000808B, 0x0000000080000001,
    0x8000000080008081, 0x8000000000008009, 0x000000000000008A, 0x0000000000000088, 0x0000000080008009,
    0x000000008000000A, 0x000000008000808B, 0x800000000000008B, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A, 0x8000000080008081,
    0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
)  # fmt: skip


def _lane_moves() -> tuple[tuple[int, int, int], ...]:
    """Return the moves of the rho and pi steps: (from lane, to lane, rotation)."""
    moves, x, y = [(0, 0, 0)], 1, 0
    for step in range(24):
        to_x, to_y = y, (2 * x + 3 * y) % 5
        moves.append((x + 5 * y, to_x + 5 * to_y, (step + 1) * (step + 2) // 2 % 64))
        x, y = to_x, to_y
    return tuple(moves)


_MOVES = _lane_moves()


def _rotate(lane: int, by: int) -> int:
    return ((lane << by) | (lane >> (64 - by))) & _MASK


def _permute(lanes: list[int]) -> list[int]:
    for constant in _ROUND_CONSTANTS:
        columns = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        parity = [columns[x - 1] ^ _rotate(columns[(x + 1) % 5], 1) for x in range(5)]
        moved = [0] * 25
        for source, target, by in _MOVES:
            moved[target] = _rotate(lanes[source] ^ parity[source % 5], by)
        lanes = [moved[i] ^ (~moved[i - i % 5 + (i + 1) % 5] & moved[i - i % 5 + (i + 2) % 5]) for i in range(25)]
        lanes[0] ^= constant
    return lanes


def deepseek_hash(message: bytes) -> str:
    """Return the DeepSeekHashV1 of a message as 64 hexadecimal digits."""
    padded = bytearray(message + b"\x06")
    padded.extend(bytes(-len(padded) % _RATE))
    padded[-1] |= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), _RATE):
        for i in range(_RATE // 8):
            lanes[i] ^= int.from_bytes(padded[start + 8 * i : start + 8 * i + 8], "little")
        lanes = _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4]).hex()


def decode_answer(header: str) -> dict[str, object] | None:
    """Read the header `x-ds-pow-response`, or return None if it is not one."""
    try:
        answer = json.loads(base64.b64decode(header, validate=True))
    except (binascii.Error, ValueError):
        return None
    return answer if isinstance(answer, dict) else None


@dataclass(frozen=True, slots=True)
class Challenge:
    """One challenge that the page must solve before an expensive request."""

    challenge: str
    salt: str
    signature: str
    difficulty: int
    expire_at: int
    expire_after: int
    target_path: str
    algorithm: str = ALGORITHM

    def solved_by(self, answer: object) -> bool:
        """Tell whether this number is the solution."""
        if type(answer) is not int or not 0 <= answer < self.difficulty:
            return False
        return deepseek_hash(f"{self.salt}_{self.expire_at}_{answer}".encode()) == self.challenge


class Challenges:
    """The open challenges; each is accepted once, in time, and only from its owner."""

    def __init__(self, difficulty: int, ttl: float) -> None:
        self._difficulty = difficulty
        self._ttl_ms = int(ttl * 1000)
        self._open: dict[str, tuple[str, Challenge]] = {}

    def issue(self, owner: str, target_path: str) -> Challenge:
        """Return a new challenge for an owner and a path."""
        self._forget_expired()
        salt, number = secrets.token_hex(10), secrets.randbelow(self._difficulty)
        expire_at = int(time.time() * 1000) + self._ttl_ms
        challenge = Challenge(
            challenge=deepseek_hash(f"{salt}_{expire_at}_{number}".encode()),
            salt=salt,
            signature=secrets.token_hex(32),
            difficulty=self._difficulty,
            expire_at=expire_at,
            expire_after=self._ttl_ms,
            target_path=target_path,
        )
        self._open[challenge.signature] = (owner, challenge)
        return challenge

    def accept(self, owner: str, target_path: str, header: str) -> bool:
        """Tell whether a header solves an open challenge, and close that challenge."""
        answer = decode_answer(header)
        if answer is None:
            return False
        known_owner, challenge = self._open.pop(str(answer.get("signature")), (None, None))
        if challenge is None or known_owner != owner or challenge.expire_at < time.time() * 1000:
            return False
        claimed = (
            answer.get("algorithm"),
            answer.get("salt"),
            answer.get("challenge"),
            answer.get("target_path"),
        )
        issued = (ALGORITHM, challenge.salt, challenge.challenge, target_path)
        return claimed == issued and challenge.target_path == target_path and challenge.solved_by(answer.get("answer"))

    def _forget_expired(self) -> None:
        now = time.time() * 1000
        for signature in [s for s, (_, c) in self._open.items() if c.expire_at < now]:
            del self._open[signature]
