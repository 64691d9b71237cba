"""From the site's events to the answer in the form that the client asked for; may import chat, tool_calls."""
