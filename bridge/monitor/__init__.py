"""What the bridge knows of itself, for who watches it: a sink of facts, bounded in every part; without a web server."""
