"""The site chat.deepseek.com."""

from bridge.sites.deepseek.driver import Driver

__all__ = ["Driver"]
