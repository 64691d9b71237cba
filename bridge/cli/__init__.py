"""The command line: `commands` has one module for each command, the other modules do the work;
may import app, bench, browser, chat, client, cluster, demo, health_checks, login, sites, storage, worker.
"""
