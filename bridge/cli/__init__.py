"""The command line: `commands` has one module for each command, the rest does their work;
may import app, bench, browser, chat, client, cluster, demo, health_checks, login, sites, storage, worker.
"""
