"""Files in and beside a request."""
