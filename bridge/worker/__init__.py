"""One logged-in page that answers one chat at a time; may import browser, chat, sites, storage."""
