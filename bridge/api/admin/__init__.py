"""The operator's API below `/admin/api/`;
may import api, chat, dashboard, liveview, monitor, sites, storage.
"""
