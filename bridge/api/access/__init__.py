"""Access control of the endpoint and the admin API: keys, sessions, origins, hosts; may import chat, storage."""
