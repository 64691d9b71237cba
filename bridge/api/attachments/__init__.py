"""Files in a request and beside it: read, fetched, gathered; may import chat, storage."""
