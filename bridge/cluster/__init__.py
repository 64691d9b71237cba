"""Several nodes as one pool: leases, placement and the relay between nodes; may import chat, pool, storage."""
