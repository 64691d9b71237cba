"""Which account answers a chat, and what becomes of an account after an error."""
