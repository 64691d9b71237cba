"""Clients of a cluster that send each prompt once, and the outcome of every chat."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp

from tests.support.cluster_nodes import Recorder
from tests.support.cluster_process import NodeProcess, Outcome
from tests.support.waiting import until

WORDS = 20
STALLED = "lease_lost"
"""The error of chats on a node that a busy machine has stopped for most of a lease."""


@dataclass(frozen=True, eq=False)
class Ended:
    """A chat that has ended: the node that was asked, and the outcome."""

    prompt: str
    asked: NodeProcess
    outcome: Outcome

    def __str__(self) -> str:
        return f"{self.prompt} by {self.asked.name}: {self.outcome}"


class Load:
    """Clients that ask the nodes in turn."""

    def __init__(self, nodes: Sequence[NodeProcess], seed: int) -> None:
        self.nodes, self.random = nodes, random.Random(seed)
        self.ended: list[Ended] = []
        self.running: dict[str, NodeProcess] = {}
        self._disturbed: set[str] = set()
        """Prompts whose connection may have broken, because the test killed or froze the node that was asked."""
        self._number = 0

    async def ask_for_ever(self, session: aiohttp.ClientSession) -> None:
        """Run one client."""
        while True:
            ended = await self._ask(session, self.random.choice(self.nodes), WORDS)
            if ended.outcome.code:
                await asyncio.sleep(0.1)

    async def _ask(self, session: aiohttp.ClientSession, node: NodeProcess, words: int) -> Ended:
        self._number += 1
        prompt = f"{words} words {self._number}"
        self.running[prompt] = node
        try:
            ended = Ended(prompt, node, await node.ask(session, prompt))
        finally:
            del self.running[prompt]
        self.ended.append(ended)
        return ended

    async def recovered(self) -> None:
        """Wait until each node answers."""
        async with aiohttp.ClientSession() as session:
            for node in self.nodes:

                async def answers(node: NodeProcess = node) -> bool:
                    return (await self._ask(session, node, 1)).outcome.is_whole

                await until(answers)

    def disturb(self, node: NodeProcess) -> None:
        """Expect that connections to a node may break from now on."""
        self._disturbed.update(prompt for prompt, asked in self.running.items() if asked is node)

    def answered(self) -> int:
        """Return the number of chats that were answered."""
        return sum(ended.outcome.is_whole for ended in self.ended)

    def codes(self) -> list[str]:
        """Return the error codes with which chats have ended, each once."""
        return sorted({ended.outcome.code for ended in self.ended})

    def faults(self) -> list[str]:
        """Return the chats that ended with neither the whole answer nor an error."""
        return [str(ended) for ended in self.ended if self._is_fault(ended)]

    def _is_fault(self, ended: Ended) -> bool:
        outcome, words = ended.outcome, int(ended.prompt.split()[0])
        if outcome.is_whole:
            return (outcome.words, outcome.code) != (words, "")
        is_cut = outcome.code == "broken" and outcome.words > 0
        return not outcome.code or (is_cut and ended.prompt not in self._disturbed)

    @contextmanager
    def failing(self, recorder: Recorder) -> Iterator[list[str]]:
        """Yield a list; when the context is closed, it holds the chats that ended without an answer in that time.

        Connections that a node no longer accepts do not count as chats: no account has begun their prompts.
        """
        begun, found = len(self.ended), list[str]()
        yield found
        taken = {act.text for act in recorder.did("begin")}
        for ended in self.ended[begun:]:
            is_refused = ended.outcome.code == "broken" and not ended.outcome.words and ended.prompt not in taken
            if not (ended.outcome.is_whole or ended.outcome.code == STALLED or is_refused):
                found.append(str(ended))
