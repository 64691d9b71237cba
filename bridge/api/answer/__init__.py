"""From the site's events to the answer in the form that the client asked for; may import chat, tokens, tool_calls."""
