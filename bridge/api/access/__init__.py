"""Who may call the endpoint and the admin API."""
