"""Assigns chats to accounts, and decides what an error means for an account; may import chat, storage."""
