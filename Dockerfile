# The bridge with Debian's Chromium, for a user without rights. Nothing secret is built in.
#
#   docker build -t bridge .
#   docker run --name bridge -p 127.0.0.1:8000:8000 -v bridge-profiles:/data/profiles -v bridge-config:/data/config \
#     --cap-drop ALL --security-opt no-new-privileges --security-opt seccomp=.docker/seccomp.json \
#     --read-only --tmpfs /tmp --tmpfs /home/bridge:uid=10001,gid=10001,mode=700 \
#     --memory 1g --pids-limit 400 --stop-timeout 45 bridge
#
# seccomp.json is Docker's default profile plus the calls by which Chromium builds its own sandbox. Without it
# Chromium does not start here; BRIDGE_BROWSER_SANDBOX=false gives the sandbox up and is the worse way.
# Plan 300 MB plus 120 MB an account, 200 pids plus 40 an account, and a stop timeout above BRIDGE_SERVER_DRAIN.
# The volumes hold the logins and the key that opens them. To keep them apart, mount the key as a secret of mode 0400
# and uid 10001, and name it in BRIDGE_PROFILE_KEY_FILE. Clients that use another name than localhost need
# BRIDGE_SERVER_ALLOWED_HOSTS='["bridge.example"]'.

FROM python:3.11-slim-bookworm AS build
# `--build-arg LOCK=otel` adds what sends traces.
ARG LOCK=run
COPY .lock/run.txt .lock/otel.txt .lock/build.txt /lock/
RUN python -m venv /opt/bridge \
    && /opt/bridge/bin/pip install --no-cache-dir --no-deps --require-hashes -r "/lock/$LOCK.txt" \
    && python -m pip install --no-cache-dir --no-deps --require-hashes -r /lock/build.txt
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY bridge bridge
RUN python -m pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /dist . \
    && /opt/bridge/bin/pip install --no-cache-dir --no-deps /dist/*.whl

FROM python:3.11-slim-bookworm
# libatomic1 is for Playwright's node; the fonts are what sites in any language and with emoji need to be read.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        chromium fonts-liberation fonts-noto-color-emoji fonts-wqy-zenhei libatomic1 tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home bridge \
    && install --directory --owner bridge --group bridge --mode 700 /data/profiles /data/config
COPY --from=build /opt/bridge /opt/bridge
ENV PATH=/opt/bridge/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    BRIDGE_PROFILES=/data/profiles \
    BRIDGE_CONFIG=/data/config
WORKDIR /home/bridge
USER 10001:10001
VOLUME ["/data/profiles", "/data/config"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["tini", "--", "bridge"]
CMD ["serve", "--host", "0.0.0.0"]
