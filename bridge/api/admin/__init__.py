"""What the operator may ask and do below `/admin/api/`;
may import api, chat, dashboard, liveview, monitor, sites, storage.
"""
