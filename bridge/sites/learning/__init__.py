"""Learns a site file from what a page does during some chats; may import browser, chat, sites."""
