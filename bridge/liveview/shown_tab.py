"""The tab that a view shows, with its screencast and its input relay."""

from __future__ import annotations

from bridge.liveview.input_relay import InputRelay
from bridge.liveview.screencast import Screencast
from bridge.liveview.tabs import Tab


class ShownTab:
    """The parts of a view that live exactly as long as one tab is shown."""

    def __init__(self, tab: Tab, screencast: Screencast, relay: InputRelay) -> None:
        self.tab = tab
        self.screencast = screencast
        self.relay = relay

    async def close(self) -> None:
        """Stop input and screencast; the tab itself stays open."""
        await self.relay.close()
        await self.screencast.close()
