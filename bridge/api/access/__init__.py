"""Who may call the endpoint and the admin API: keys, sessions, origins, hosts; may import chat, storage."""
