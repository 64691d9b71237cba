"""The HTTP side: surfaces, endpoint, routes and guard;
may import chat, dashboard, liveview, monitor, pool, sites, storage, tool_calls.
"""
