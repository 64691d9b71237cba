"""The site chat.deepseek.com: driver, page script, decoder, request check; may import sites, browser, chat."""

from bridge.sites.deepseek.driver import Driver

__all__ = ["Driver"]
