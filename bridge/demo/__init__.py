"""A chat site that answers by itself, to try the bridge on and to test it with; may import no other package.

It is a site of its own and imports nothing of the bridge, which never learns that it talks to a demo.
"""

from bridge.demo.accounts import Account
from bridge.demo.faults import FAULTS, Fault
from bridge.demo.script import Script
from bridge.demo.site import DemoSite
from bridge.demo.site_settings import DemoSettings
from bridge.demo.turns import Turn

__all__ = ["FAULTS", "Account", "DemoSettings", "DemoSite", "Fault", "Script", "Turn"]
