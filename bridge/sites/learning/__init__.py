"""Makes a site file of what a page does while somebody chats with it; may import browser, chat, sites."""
