"""From the site's events to the answer that the client asked for."""
