"""What the bridge adds to the site, measured on the demo site; may import browser, chat, sites, storage."""
