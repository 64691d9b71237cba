"""An account's page in the operator's own browser: frames out, input in, no HTTP;
may import browser, chat, login, pool, sites, storage, worker.
"""
