"""Tool calls and JSON answers by prompt: rendered into what the page is asked, parsed out of what it streams."""
