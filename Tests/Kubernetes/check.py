#!/usr/bin/env python3
"""Holds Examples/Kubernetes against Kubernetes' schemas, and against what the programs do: part of `make test`.

    check.py BINARIES       (the folder with pod, pods-client and volery-proxy)

Each container is started as its manifest says, in a network of its own (as root; elsewhere that part is skipped): it has to listen on
its port, to answer the probes as Kubernetes asks them, to end with 0 on SIGTERM within the grace period.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import grpc
import kubernetes_validate
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kustomize import build

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "Examples/Kubernetes"
VERSION = "1.33"
# The product of each image, and the stage of the Dockerfile that makes it.
IMAGES = {"volery-pod:demo": ("pod", "pod"), "volery-client:demo": ("pods-client", "client"), "volery-proxy:demo": ("volery-proxy", "proxy")}
EXPECTED = {
    "one": {"Namespace/volery-one", "Deployment/pods", "PodDisruptionBudget/pods", "Service/pods", "Deployment/client"},
    "two": {"Namespace/volery-two", "Deployment/pods", "PodDisruptionBudget/pods", "Service/pods", "Deployment/client"},
    "three": {
        "Namespace/volery-three", "Deployment/pods", "PodDisruptionBudget/pods", "Service/pods", "Deployment/client",
        "Deployment/proxies", "PodDisruptionBudget/proxies", "Service/proxies"},
    "endpointslices": {"ServiceAccount/client", "Role/read-endpointslices", "RoleBinding/client-reads-endpointslices"},
}


def fits(labels, selector):
    return selector.items() <= labels.items()


class Demo:
    def __init__(self, name):
        self.name = name
        self.objects = build(FOLDER / name)

    def of(self, kind):
        return {item["metadata"]["name"]: item for item in self.objects if item["kind"] == kind}

    def check(self):
        found = {f"{item['kind']}/{item['metadata']['name']}" for item in self.objects}
        assert found == EXPECTED[self.name], found ^ EXPECTED[self.name]
        for item in self.objects:
            kubernetes_validate.validate(item, VERSION, strict=True)
            assert item["kind"] == "Namespace" or item["metadata"]["namespace"] == next(iter(self.of("Namespace")), "volery-two")
        for deployment in self.of("Deployment").values():
            self.deployment(deployment)
        for service in self.of("Service").values():
            self.service(service)
        for budget in self.of("PodDisruptionBudget").values():
            assert budget["spec"]["selector"] == self.of("Deployment")[budget["metadata"]["name"]]["spec"]["selector"]
            assert 0 < budget["spec"]["maxUnavailable"] < self.of("Deployment")[budget["metadata"]["name"]]["spec"]["replicas"]

    def deployment(self, deployment):
        spec = deployment["spec"]
        pod = spec["template"]["spec"]
        assert fits(spec["template"]["metadata"]["labels"], spec["selector"]["matchLabels"])
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        (container,) = pod["containers"]
        # What the restricted Pod Security Standard wants, and a root folder that nobody writes to.
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] != 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert container["image"] in IMAGES and container["resources"]["limits"]["memory"]
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            ports = [port["containerPort"] for port in container.get("ports", [])]
            assert not ports or container[name]["grpc"]["port"] in ports, name
        if "ports" in container:
            assert pod["terminationGracePeriodSeconds"] >= drain_limit() + 5
            for constraint in pod["topologySpreadConstraints"]:
                assert fits(spec["template"]["metadata"]["labels"], constraint["labelSelector"]["matchLabels"])

    def service(self, service):
        pods = [d["spec"]["template"] for d in self.of("Deployment").values()]
        (pod,) = [pod for pod in pods if fits(pod["metadata"]["labels"], service["spec"]["selector"])]
        assert (service["spec"].get("clusterIP") == "None") != (self.name == "one"), "headless in two and three, and not in one"
        for port in service["spec"]["ports"]:
            (target,) = [p for p in pod["spec"]["containers"][0]["ports"] if p["name"] == port["targetPort"]]
            # A headless name leads to the pods themselves: there the Service's port is theirs, or a lie.
            assert port["port"] == target["containerPort"]

    def targets(self):
        """That each target leads to a Service's port, by its name."""
        services = self.of("Service")
        text = [arg for d in self.of("Deployment").values() for arg in d["spec"]["template"]["spec"]["containers"][0]["args"]]
        targets = [re.fullmatch(r"dns:///([a-z-]+):(\d+)", arg) for arg in text if ":///" in arg]
        assert targets and all(targets), text
        for target in targets:
            assert int(target[2]) in [port["port"] for port in services[target[1]]["spec"]["ports"]], target[0]
        return {target[0] for target in targets}


def drain_limit():
    text = (ROOT / "Sources/VoleryServer/ServerOptions.swift").read_text()
    return int(re.search(r"var drainLimit: Duration = \.seconds\((\d+)\)", text)[1])


def dockerfile():
    """Its images are the manifests', its packages are those of Docs/Deploying.md, which `make deploy-check` tries."""
    text = (FOLDER / "Dockerfile").read_text()
    packages = lambda page: re.search(r"^ +(ca-certificates [^\\\n]*)", page, re.M)[1].split()
    assert packages(text) == packages((ROOT / "Docs/Deploying.md").read_text())
    assert re.search(r"^USER 65534:65534$", text, re.M)
    for product, stage in IMAGES.values():
        assert re.search(rf"^FROM runtime AS {stage}$", text, re.M), stage
        assert f'ENTRYPOINT ["/usr/local/bin/{product}"]' in text and f"/programs/{product} /usr/local/bin/{product}" in text
    for port in {p["containerPort"] for c in containers() for p in c.get("ports", [])}:
        assert f"EXPOSE {port}\n" in text, port


def containers():
    found = {}
    for name in ("one", "two", "three"):
        for deployment in Demo(name).of("Deployment").values():
            container = deployment["spec"]["template"]["spec"]["containers"][0]
            found[(container["name"], *container["args"])] = container
    return list(found.values())


def answers(port, service):
    """The health service's answer, waited for: the program may be about to listen."""
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        return health_pb2_grpc.HealthStub(channel).Check(request, wait_for_ready=True, timeout=30).status


def run(binaries, container):
    product, _ = IMAGES[container["image"]]
    args = [arg.replace("$(POD_NAME)", "pods-1") for arg in container["args"]]
    process = subprocess.Popen([binaries / product, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            if probe := container.get(name):
                status = answers(probe["grpc"]["port"], probe["grpc"].get("service", ""))
                assert status == health_pb2.HealthCheckResponse.SERVING, (product, name, status)
        if "ports" not in container:
            time.sleep(1)  # a wrong argument ends it at once
            assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=30)
        assert code == 0 or "ports" not in container, (product, code, process.stderr.read())
    finally:
        process.kill()
        process.communicate()
    print(f"{product} {' '.join(args)}: as its manifest says")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binaries", type=Path)
    parser.add_argument("--inside", action="store_true", help="the network is the check's own")
    options = parser.parse_args()
    if options.inside:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for container in containers():
            run(options.binaries.resolve(), container)
        return
    for name in EXPECTED:
        demo = Demo(name)
        demo.check()
        targets = sorted(demo.targets()) if demo.of("Deployment") else []
        print(f"{name}: {len(demo.objects)} resources are right for Kubernetes {VERSION}", *targets)
    dockerfile()
    alone = ["unshare", "--mount", "--net", "--pid", "--fork"]
    if subprocess.run([*alone, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("the programs: SKIPPED, this machine allows no namespaces")
        return
    subprocess.run([*alone, sys.executable, __file__, str(options.binaries), "--inside"], check=True, timeout=200)


if __name__ == "__main__":
    sys.exit(main())
