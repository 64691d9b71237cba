"""The manifests for Kubernetes and Render say what the Dockerfile and the Compose file say, with settings that exist.

`make deployment` checks them against the schemas of their formats, too.
"""

from __future__ import annotations

import importlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from bridge.settings import ClusterSettings, ServerSettings, Settings
from bridge.settings_sources import describe
from tests.docs.blocks import ROOT

EXAMPLES = ROOT / "examples"
USER = 10001
yaml: Any = importlib.import_module("yaml")
KNOWN_TO_RENDER = {
    *("type", "name", "runtime", "dockerfilePath", "plan", "numInstances", "healthCheckPath", "envVars", "disk"),
    "maxShutdownDelaySeconds",
}
"""Fields of a service as Render documents them; its schema is in no package."""


@cache
def read(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text("utf-8")))


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = read("kubernetes.yaml")[2]["spec"]["template"]["spec"]
    return spec


def check_variables(given: dict[str, str]) -> None:
    """Check that the variables are settings, and that their values are taken."""
    known = {variable: name for name, variable, _, _ in describe()}
    assert given.keys() <= known.keys()
    hosts = json.loads(given["BRIDGE_SERVER_ALLOWED_HOSTS"])
    assert ServerSettings(allowed_hosts=hosts).allowed_hosts == tuple(hosts)


def test_the_pod_has_no_more_rights_than_the_container_of_the_compose_file() -> None:
    service, (container,) = read("compose.yaml")[0]["services"]["bridge"], pod()["containers"]
    rights = container["securityContext"]
    assert rights["readOnlyRootFilesystem"] is service["read_only"] is True
    assert rights["capabilities"]["drop"] == service["cap_drop"] == ["ALL"]
    assert rights["allowPrivilegeEscalation"] is False
    assert "no-new-privileges" in service["security_opt"]
    user = pod()["securityContext"]
    assert (user["runAsUser"], user["runAsGroup"], user["fsGroup"], user["runAsNonRoot"]) == (USER, USER, USER, True)
    assert f"USER {USER}:{USER}" in (ROOT / "Dockerfile").read_text("utf-8")
    assert user["seccompProfile"]["type"] == "Localhost"


def test_the_pod_keeps_what_the_volumes_keep_and_writes_where_the_container_may() -> None:
    service, (container,) = read("compose.yaml")[0]["services"]["bridge"], pod()["containers"]
    written = {one["mountPath"] for one in container["volumeMounts"] if not one.get("readOnly")}
    kept = {one.partition(":")[2] for one in service["volumes"]}
    passing = {one.partition(":")[0] for one in service["tmpfs"]}
    assert written == kept | passing
    on_volume = {one["mountPath"] for one in container["volumeMounts"] if one["name"] == "data"}
    assert on_volume == kept


def test_the_pod_is_asked_by_a_name_that_the_bridge_knows_and_gets_time_to_stop() -> None:
    (container,) = pod()["containers"]
    paths = {}
    for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = container[kind]["httpGet"]
        paths[kind] = asked["path"]
        assert asked["httpHeaders"] == [{"name": "Host", "value": "localhost"}]
    assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert pod()["terminationGracePeriodSeconds"] > ServerSettings().drain


def test_the_variables_of_the_pod_are_settings_and_no_service_adds_others() -> None:
    (container,) = pod()["containers"]
    given = {one["name"]: one["value"] for one in container["env"]}
    check_variables(given)
    assert pod()["enableServiceLinks"] is False, "it would set BRIDGE_PORT, which is no setting"
    (secret,) = (one for one in container["volumeMounts"] if one["name"] == "key")
    file = Settings(profile_key_file=Path(given["BRIDGE_PROFILE_KEY_FILE"])).profile_key_file
    assert file == Path(secret["mountPath"]) / "profile.key"
    assert list(read("kubernetes.yaml")[0]["stringData"]) == ["profile.key"]


def test_the_blueprint_for_render_serves_the_image_with_a_disk_where_its_data_is() -> None:
    (service,) = read("render.yaml")[0]["services"]
    assert service.keys() <= KNOWN_TO_RENDER
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    variables = {one["key"]: one.get("value", "") for one in service["envVars"]}
    assert f"EXPOSE {variables.pop('PORT')}\n" in dockerfile
    check_variables(variables)
    assert f"{service['disk']['mountPath']}/config" in dockerfile
    assert service["numInstances"] == 1
    assert service["maxShutdownDelaySeconds"] > ServerSettings().drain


def test_the_nodes_of_the_compose_file_differ_in_name_address_and_volumes_alone() -> None:
    services: dict[str, dict[str, Any]] = read("compose-cluster.yaml")[0]["services"]
    nodes = {name: service for name, service in services.items() if name.startswith("node-")}
    alone = read("compose.yaml")[0]["services"]["bridge"]
    kept = ("cap_drop", "security_opt", "read_only", "tmpfs", "mem_limit", "pids_limit", "stop_grace_period")
    shared = []
    for name, node in nodes.items():
        assert {field: node[field] for field in kept} == {field: alone[field] for field in kept}
        given = dict(node["environment"])
        check_variables(given)
        own = (given.pop("BRIDGE_CLUSTER_NODE"), given.pop("BRIDGE_CLUSTER_ADDRESS"))
        assert own == (name, f"http://{name}:{ClusterSettings().port}")
        assert node["volumes"] == [f"{part}-{name[-1]}:/data/{part}" for part in ("profiles", "config")]
        shared.append(given)
    assert len(nodes) == 3
    assert all(given == shared[0] for given in shared)
    url, most = shared[0]["BRIDGE_CLUSTER_URL"], shared[0]["BRIDGE_CLUSTER_MAX_ACCOUNTS"]
    taken = ClusterSettings.model_validate({"url": url, "host": "0.0.0.0", "max_accounts": most})
    assert (taken.max_accounts, url) == (6, "redis://valkey:6379")
    assert "ports" not in nodes["node-a"], "what nodes say to each other is for nobody else"
