"""Files of a request: parsed from its body, fetched from addresses, read from the store; may import chat, storage."""
