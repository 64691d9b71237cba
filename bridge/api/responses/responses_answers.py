"""Answers other nodes' requests about responses and conversations on this node; see `responses_elsewhere`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bridge.api.responses.responses_kept import KeptResponses
from bridge.errors import RequestError


class Answers:
    """The handler for other nodes' requests."""

    def __init__(self, kept: KeptResponses) -> None:
        self._kept = kept

    async def __call__(self, said: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer one request."""
        kept, owner, id_ = self._kept, str(said["owner"]), str(said["id"])
        match said["do"]:
            case "find":
                return await kept.find(owner, id_)
            case "chain":
                return {"chain": await kept.part_of_chain(owner, id_)}
            case "item":
                return {"item": await kept.item(id_, owner)}
            case "delete":
                await kept.delete(owner, id_)
                return {}
            case "cancel":
                return await kept.cancel(owner, id_)
            case "events":
                events, is_over = await kept.next_events(owner, id_, int(said["after"]))
                return {"events": events, "is_over": is_over}
            case _:
                return await self._of_conversation(said, owner, id_)

    async def _of_conversation(self, said: Mapping[str, Any], owner: str, id_: str) -> Mapping[str, Any]:
        conversations = self._kept.conversations
        match said["do"]:
            case "conversation":
                return await conversations.find(owner, id_)
            case "change":
                return await conversations.change(owner, id_, said["change"], said["given"])
            case "forget":
                await conversations.delete(owner, id_)
                return {}
        raise RequestError("The node does not know this request: it runs another version of the bridge.")
