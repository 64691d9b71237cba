"""The contract of a site, and a module or a folder for each chat website; may import browser, chat."""
