"""A chat site with a built-in model, for trying out and testing the bridge; may import no other package.

The bridge never learns that it talks to a demo.
"""

from bridge.demo.accounts import Account
from bridge.demo.faults import FAULTS, Fault
from bridge.demo.script import Script
from bridge.demo.site import DemoSite
from bridge.demo.site_settings import DemoSettings
from bridge.demo.turns import Turn

__all__ = ["FAULTS", "Account", "DemoSettings", "DemoSite", "Fault", "Script", "Turn"]
