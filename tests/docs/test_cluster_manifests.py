"""The manifests for a cluster on Kubernetes name settings, ports, paths and each other as they are.

`make deployment` checks them against Kubernetes' schema, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from bridge.settings import ClusterSettings, ServerSettings
from tests.docs.test_manifests import check_variables, read

FILE = "kubernetes-cluster.yaml"
USED = re.compile(r"\$\((\w+)\)")
OF_PODS = {"metadata.name": "bridge-0"}
ALONE = {"affinity", "terminationGracePeriodSeconds", "topologySpreadConstraints", "containers", "volumes"}
"""Fields of a pod in which a node may differ from a bridge that is alone."""


def everything(kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in read(FILE) if one["kind"] == kind}


def pod(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = everything("StatefulSet")[name]["spec"]["template"]["spec"]
    return spec


def container(name: str) -> dict[str, Any]:
    (only,) = pod(name)["containers"]
    found: dict[str, Any] = only
    return found


def secrets() -> dict[str, str]:
    """Return what the secret holds, filled in."""
    return {key: f"{key}-of-sixteen" for key in everything("Secret")["bridge"]["stringData"]}


def environment(name: str) -> dict[str, str]:
    """Return a pod's variables as Kubernetes gives them: each may use those before it."""
    values: dict[str, str] = {}
    for one in container(name)["env"]:
        source = one.get("valueFrom", {})
        if "secretKeyRef" in source:
            assert source["secretKeyRef"]["name"] == "bridge"
            values[one["name"]] = secrets()[source["secretKeyRef"]["key"]]
        elif "fieldRef" in source:
            values[one["name"]] = OF_PODS[source["fieldRef"]["fieldPath"]]
        else:
            values[one["name"]] = USED.sub(lambda used: values[used[1]], one["value"])
    return values


def ports(name: str) -> dict[str, int]:
    return {one["name"]: one["containerPort"] for one in container(name)["ports"]}


def references() -> Iterator[tuple[str, str, Any]]:
    """Yield who selects which pods, and what of their ports."""
    for name, service in everything("Service").items():
        for port in service["spec"]["ports"]:
            yield name, service["spec"]["selector"]["app"], port["targetPort"]
    for name, policy in everything("NetworkPolicy").items():
        for rule in policy["spec"]["ingress"]:
            for port in rule["ports"]:
                yield name, policy["spec"]["podSelector"]["matchLabels"]["app"], port["port"]


def test_services_and_policies_select_pods_that_are_there_by_ports_that_they_have() -> None:
    found = list(references())
    assert len(found) == 6
    for name, app, port in found:
        assert port in ports(app), name
    for name, one in everything("StatefulSet").items():
        assert one["spec"]["serviceName"] in everything("Service")
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert one["spec"]["selector"]["matchLabels"] == labels == {"app": name}
    budget = everything("PodDisruptionBudget")["bridge"]["spec"]
    assert (budget["selector"]["matchLabels"], budget["maxUnavailable"]) == ({"app": "bridge"}, 1)


def test_the_settings_of_a_node_are_taken_and_its_address_is_that_of_the_headless_service() -> None:
    given = environment("bridge")
    assert given.pop("VALKEY_PASSWORD") == secrets()["valkey.password"]
    check_variables(given)
    prefix = "BRIDGE_CLUSTER_"
    named = {name.removeprefix(prefix).lower(): value for name, value in given.items() if name.startswith(prefix)}
    node = ClusterSettings.model_validate(named)
    headless = everything("Service")["bridge-nodes"]["spec"]
    (port,) = headless["ports"]
    assert headless["clusterIP"] == "None"
    assert headless["publishNotReadyAddresses"] is True
    assert node.address == f"http://bridge-0.bridge-nodes:{port['port']}"
    assert ports("bridge") == {"http": ServerSettings().port, "nodes": node.port}
    assert everything("StatefulSet")["bridge"]["spec"]["serviceName"] == "bridge-nodes"
    assert node.key is not None
    assert node.url is not None
    (redis,) = everything("Service")["valkey"]["spec"]["ports"]
    password = environment("valkey")["VALKEY_PASSWORD"]
    assert node.url.get_secret_value() == f"redis://:{password}@valkey:{redis['port']}"
    assert "$(VALKEY_PASSWORD)" in container("valkey")["command"]


def test_the_nodes_port_and_valkey_are_reached_by_nodes_alone() -> None:
    nodes = [{"podSelector": {"matchLabels": {"app": "bridge"}}}]
    for name, open_to_all in (("bridge", {"http"}), ("valkey", set[str]())):
        for rule in everything("NetworkPolicy")[name]["spec"]["ingress"]:
            reached = {port["port"] for port in rule["ports"]}
            assert reached <= open_to_all if "from" not in rule else rule["from"] == nodes


def test_a_node_is_the_pod_of_a_bridge_that_is_alone_with_a_way_to_the_others() -> None:
    alone: dict[str, Any] = read("kubernetes.yaml")[2]["spec"]["template"]["spec"]
    node = pod("bridge")
    assert {name: value for name, value in node.items() if name not in ALONE} == {
        name: value for name, value in alone.items() if name not in ALONE
    }
    (one,), other = alone["containers"], container("bridge")
    for name in ("image", "securityContext", "resources", "volumeMounts", "startupProbe", "livenessProbe"):
        assert other[name] == one[name], name
    assert other["readinessProbe"]["httpGet"] == one["readinessProbe"]["httpGet"]
    assert (
        everything("StatefulSet")["bridge"]["spec"]["volumeClaimTemplates"]
        == (read("kubernetes.yaml")[2]["spec"]["volumeClaimTemplates"])
    )


def test_a_node_has_time_to_give_back_its_accounts_and_memory_for_as_many_as_it_takes() -> None:
    (pause,) = (
        int(word) for word in container("bridge")["lifecycle"]["preStop"]["exec"]["command"] if word.isdecimal()
    )
    assert pod("bridge")["terminationGracePeriodSeconds"] > pause + ServerSettings().drain
    most = int(environment("bridge")["BRIDGE_CLUSTER_MAX_ACCOUNTS"])
    limit = container("bridge")["resources"]["limits"]["memory"]
    assert 300 + 120 * most <= int(limit.removesuffix("Gi")) * 1024


@pytest.mark.parametrize("name", ["bridge", "valkey"])
def test_no_pod_has_rights_that_it_does_not_need(name: str) -> None:
    rights = container(name)["securityContext"]
    assert (rights["readOnlyRootFilesystem"], rights["allowPrivilegeEscalation"]) == (True, False)
    assert rights["capabilities"]["drop"] == ["ALL"]
    assert pod(name)["securityContext"]["runAsNonRoot"] is True
    assert pod(name)["automountServiceAccountToken"] is False


def test_no_secret_is_filled_in_and_only_the_profile_key_becomes_a_file() -> None:
    assert set(everything("Secret")["bridge"]["stringData"].values()) == {""}
    (key,) = (one for one in pod("bridge")["volumes"] if one["name"] == "key")
    assert [one["key"] for one in key["secret"]["items"]] == ["profile.key"]
