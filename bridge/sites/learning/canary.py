"""The prompts for learning a page: each asks the model to repeat a text that appears nowhere else."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

WORDS = ("kestrel", "marzipan", "obsidian", "tamarind", "zephyr", "quokka", "juniper", "lagoon")
LONG = 60
"""The number of sentences in a long answer."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A prompt, the answer that the model should give, and a word that is in no other text."""

    prompt: str
    wanted: str
    nonce: str


def _nonce() -> str:
    return f"{secrets.choice(WORDS)}{secrets.randbelow(9_000_000) + 1_000_000}"


def to_be_typed() -> Canary:
    """Return a prompt of one line, which a person can type or paste anywhere."""
    nonce = _nonce()
    wanted = f"The word is {nonce}; größe, 你好, naïve, Ωmega. Once more in the end: {nonce}, and that is all of it."
    return Canary(f"Repeat exactly the following sentences and write nothing else: {wanted}", wanted, nonce)


def with_code() -> Canary:
    """Return a prompt with several lines, other scripts and code."""
    nonce = _nonce()
    code = f"```python\ndef canary(x: int) -> str:\n    return f'{nonce} {{x}} 🚀'\n```"
    wanted = f"First line of {nonce}: ζήτα, 汉字, ½.\n\n{code}\n\n- one **bold** point\n- the last line of {nonce}"
    return Canary(
        f"Repeat exactly what follows, with its lines and its code, and write nothing else.\n\n{wanted}", wanted, nonce
    )


def long() -> Canary:
    """Return a prompt of one line with a long answer."""
    nonce = _nonce()
    wanted = " ".join(f"Sentence {number} of {LONG} is for {nonce}." for number in range(1, LONG + 1))
    return Canary(f"Repeat exactly these sentences, all of them, and write nothing else: {wanted}", wanted, nonce)
