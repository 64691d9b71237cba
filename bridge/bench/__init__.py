"""Measures on the demo site what the bridge adds to the site; may import browser, chat, sites, storage."""
