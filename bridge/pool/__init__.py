"""Which account answers a chat, and what an error means for an account; may import chat, storage."""
