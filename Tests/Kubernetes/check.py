#!/usr/bin/env python3
"""Holds Examples/Kubernetes against Kubernetes' schemas, and against what the programs do: part of `make test`.

    check.py BINARIES [--front PROGRAM] [--roots FOLDER]       (the folder with pod, pods-client and volery-proxy)

Each container is started as its manifest says, in a network of its own (as root; elsewhere that part is skipped): it has to listen on
its port, to answer the probes as Kubernetes asks them, to end with 0 on SIGTERM within the grace period. A client that follows
EndpointSlices does so in a stand-in of a cluster that allows what the manifests' Roles allow, and nothing else. With --roots
(root.sh) each runs in the root folder of its image, as its user, and calls go through all of them.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import grpc
import kubernetes_validate
from cluster import Cluster
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kustomize import build

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / "Examples/Kubernetes"
VERSION = "1.33"
# The product of each image, and the stage of the Dockerfile that makes it.
IMAGES = {"volery-pod:demo": ("pod", "pod"), "volery-client:demo": ("pods-client", "client"), "volery-proxy:demo": ("volery-proxy", "proxy"),
          "volery-front:demo": ("front", "front")}
EXPECTED = {
    "one": {"Namespace/volery-one", "Deployment/pods", "PodDisruptionBudget/pods", "Service/pods", "Deployment/client",
            "Deployment/front"},
    "two": {"Namespace/volery-two", "Deployment/pods", "PodDisruptionBudget/pods", "Service/pods", "Deployment/client",
            "Deployment/front"},
    "three": {
        "Namespace/volery-three", "Deployment/pods", "PodDisruptionBudget/pods", "Service/pods", "Deployment/client",
        "Deployment/front", "Deployment/proxies", "PodDisruptionBudget/proxies", "Service/proxies"},
    "endpointslices": {
        "Namespace/volery-two", "Deployment/pods", "PodDisruptionBudget/pods", "Service/pods", "Deployment/client",
        "Deployment/front", "ServiceAccount/client", "Role/read-endpointslices", "RoleBinding/client-reads-endpointslices"},
}


def fits(labels, selector):
    return selector.items() <= labels.items()


class Demo:
    def __init__(self, name):
        self.name = name
        self.objects = build(FOLDER / name)

    @property
    def namespace(self):
        (name,) = self.of("Namespace")
        return name

    def of(self, kind):
        return {item["metadata"]["name"]: item for item in self.objects if item["kind"] == kind}

    def check(self):
        found = {f"{item['kind']}/{item['metadata']['name']}" for item in self.objects}
        assert found == EXPECTED[self.name], found ^ EXPECTED[self.name]
        for item in self.objects:
            kubernetes_validate.validate(item, VERSION, strict=True)
            assert item["kind"] == "Namespace" or item["metadata"]["namespace"] == self.namespace
        for deployment in self.of("Deployment").values():
            self.deployment(deployment)
        for deployment in self.of("Deployment").values():
            pod = deployment["spec"]["template"]["spec"]
            asks = any(arg.startswith("k8s:") for arg in pod["containers"][0]["args"])
            # Who does not ask the API server has nothing that it would take.
            assert pod["automountServiceAccountToken"] == asks and ("serviceAccountName" in pod) == asks
            assert bool(self.rules(deployment)) == asks
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
            ports = container.get("ports", [])
            if ports and "httpGet" in container[name]:
                assert container[name]["httpGet"]["port"] in [port["name"] for port in ports], name
            elif ports:
                assert container[name]["grpc"]["port"] in [port["containerPort"] for port in ports], name
        annotations = spec["template"]["metadata"].get("annotations", {})
        scraped = [int(annotations["prometheus.io/port"])] if annotations.get("prometheus.io/scrape") == "true" else []
        assert scraped == [port["containerPort"] for port in container.get("ports", []) if port["name"] == "metrics"], annotations
        assert not scraped or annotations["prometheus.io/path"] == "/metrics"
        if "ports" in container:
            assert pod["terminationGracePeriodSeconds"] >= drain_limit() + 5
            assert spec["replicas"] == 1 or pod["topologySpreadConstraints"]
            for constraint in pod.get("topologySpreadConstraints", []):
                assert fits(spec["template"]["metadata"]["labels"], constraint["labelSelector"]["matchLabels"])

    def service(self, service):
        pods = [d["spec"]["template"] for d in self.of("Deployment").values()]
        (pod,) = [pod for pod in pods if fits(pod["metadata"]["labels"], service["spec"]["selector"])]
        assert (service["spec"].get("clusterIP") == "None") != (self.name == "one"), "headless in two and three, and not in one"
        for port in service["spec"]["ports"]:
            (target,) = [p for p in pod["spec"]["containers"][0]["ports"] if p["name"] == port["targetPort"]]
            # A headless name leads to the pods themselves: there the Service's port is theirs, or a lie.
            assert port["port"] == target["containerPort"]

    def rules(self, deployment):
        """What RBAC lets its pods do: the rules of the Roles that are bound to their ServiceAccount, and where they hold."""
        account = deployment["spec"]["template"]["spec"].get("serviceAccountName")
        assert account is None or account in self.of("ServiceAccount")
        found = []
        for binding in self.of("RoleBinding").values():
            for subject in binding["subjects"]:
                if (subject["kind"], subject["name"], subject["namespace"]) == ("ServiceAccount", account, self.namespace):
                    assert binding["roleRef"]["kind"] == "Role"
                    role = self.of("Role")[binding["roleRef"]["name"]]
                    found += [dict(rule, namespace=role["metadata"]["namespace"]) for rule in role["rules"]]
        return found

    def targets(self):
        """That each target leads to a Service's port, by its name."""
        services = self.of("Service")
        text = [arg for d in self.of("Deployment").values() for arg in d["spec"]["template"]["spec"]["containers"][0]["args"]]
        targets = [re.fullmatch(r"(?:dns:///([a-z-]+):(\d+)|k8s:///([a-z-]+):([a-z]+))", arg) for arg in text if ":///" in arg]
        assert targets and all(targets), text
        for target in targets:
            ports = services[target[1] or target[3]]["spec"]["ports"]
            assert (target[2] or target[4]) in [str(port["port"]) if target[2] else port["name"] for port in ports], target[0]
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
    # Root.sh builds in the same way.
    assert text.count("swift build -c release --static-swift-stdlib") == text.count("swift build")
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


def page(port, path, process=None):
    """An HTTP answer, waited for as long as the program runs."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
                return response.read().decode()
        except (ConnectionError, urllib.error.URLError) as error:
            assert not process or process.poll() is None, (process.returncode, process.stderr.read())
            if isinstance(error, urllib.error.HTTPError) or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def command(options, product):
    """How a program is started; None: it is not there."""
    if options.roots:
        root = options.roots / IMAGES[next(image for image in IMAGES if IMAGES[image][0] == product)][1]
        return ["chroot", "--userspec=65534:65534", root, f"/usr/local/bin/{product}"] if root.exists() else None
    program = options.front if product == "front" else options.binaries / product
    return [program.resolve()] if program else None


def run(options, container):
    product, _ = IMAGES[container["image"]]
    args = [arg.replace("$(POD_NAME)", "pods-1") for arg in container["args"]]
    start = command(options, product)
    if not start:
        print(f"{product}: SKIPPED, it is not built (make front, and --front)")
        return
    process = subprocess.Popen([*start, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            if (probe := container.get(name)) and "httpGet" in probe:
                (port,) = [p["containerPort"] for p in container["ports"] if p["name"] == probe["httpGet"]["port"]]
                page(port, probe["httpGet"]["path"], process)
            elif probe:
                status = answers(probe["grpc"]["port"], probe["grpc"].get("service", ""))
                assert status == health_pb2.HealthCheckResponse.SERVING, (product, name, status)
        for port in container.get("ports", []):
            assert port["name"] != "metrics" or "# TYPE " in page(port["containerPort"], "/metrics", process)
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


def together(options):
    """Two pods, a proxy, a client and HTTP in front of them, by the names that the manifests of demo 3 have: each name leads to
    addresses on which its servers listen, as in a cluster."""
    missing = [product for product in ("pod", "volery-proxy", "pods-client") if not command(options, product)]
    if missing:
        print(f"calls through all of them: SKIPPED, without {', '.join(missing)}")
        return

    def start(product, *args):
        process = subprocess.Popen([*command(options, product), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        return process

    def ready(process):
        line = process.stdout.readline()
        assert "LISTENING" in line, (line, process.poll() is not None and process.stderr.read())

    processes = []
    hosts = options.roots / "hosts"
    hosts.write_text("127.0.1.1 pods\n127.0.1.2 pods\n127.0.2.1 proxies\n")
    dns = subprocess.Popen([
        "dnsmasq", "-k", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--listen-address=127.0.0.1", "--bind-interfaces",
        f"--addn-hosts={hosts}", "--user=root", "--pid-file="])
    try:
        for number in (1, 2):
            ready(start("pod", "--host", f"127.0.1.{number}", "--port", "50051", "--name", f"pods-{number}"))
        ready(start("volery-proxy", "--listen", "127.0.2.1:8080", "--target", "dns:///pods:50051", "--metrics", "127.0.2.1:9464"))
        for target in ("dns:///pods:50051", "dns:///proxies:8080"):
            client = start("pods-client", target, "--rate", "50", "--seconds", "3")
            table, errors = client.communicate(timeout=30)
            assert client.returncode == 0 and "pods-1" in table and "pods-2" in table and "errors 0" in table, (table, errors)
            print(f"a client of {target}, in its image's root:", table, sep="\n")
        if command(options, "front"):
            ready(start("front", "dns:///proxies:8080", "--port", "8080"))
            print("HTTP in front of it:", page(8080, "/ok").strip())
        with urllib.request.urlopen("http://127.0.2.1:9464/metrics", timeout=10) as response:
            assert "grpc_client_call_duration_seconds_count" in response.read().decode()
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            assert process.wait(timeout=40) == 0, process.args
    finally:
        for process in [*processes, dns]:
            process.kill()
            process.wait()


def play(binaries, product, args, environment):
    """What a program prints that ends by itself."""
    done = subprocess.run(
        [binaries / product, *args], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (product, args, done)
    return done.stdout + done.stderr


def follow(binaries):
    """The client of `endpointslices`, and volery-proxy with its target: their calls arrive, and the API server is asked what the
    Role allows and no more; without the Role it says what is missing."""
    demo = Demo("endpointslices")
    container = demo.of("Deployment")["client"]["spec"]["template"]["spec"]["containers"][0]
    rules = demo.rules(demo.of("Deployment")["client"])
    (server,) = [c for c in containers() if c["name"] == "pods"]
    (port,) = server["ports"]
    target = container["args"][0]
    args = container["args"][:]
    args[args.index("--seconds") + 1] = "2"
    started = []

    def start(product, *args, **environment):
        started.append(subprocess.Popen([binaries / product, *args], env={**os.environ, **environment}, stdout=subprocess.DEVNULL))

    def slices(cluster):
        cluster.tell(
            "slice", name="pods-1", service="pods", namespace=demo.namespace, pod="pods", addresses="127.0.1.1+127.0.1.2",
            port=port["containerPort"], port_name=port["name"])

    try:
        start(IMAGES[server["image"]][0], *[arg.replace("$(POD_NAME)", "pods-1") for arg in server["args"]])
        answers(port["containerPort"], "")
        with Cluster(demo.namespace, rules) as cluster:
            slices(cluster)
            text = play(binaries, "pods-client", args, cluster.environment)
            assert "pods-1" in text and "errors 0" in text, text
            start("volery-proxy", "--listen", "127.0.0.1:8081", "--target", target, **cluster.environment)
            answers(8081, "")
            text = play(binaries, "pods-client", ["static:///127.0.0.1:8081", *args[1:]], {})
            assert "pods-1" in text and "errors 0" in text, text
            requests = cluster.requests()
            assert requests == {(verb, "discovery.k8s.io", "endpointslices", demo.namespace) for verb in ("list", "watch")}
            # Reading is all that is allowed, of what is asked for.
            for rule in rules:
                assert rule["apiGroups"] == ["discovery.k8s.io"] and rule["resources"] == ["endpointslices"], rule
                assert {"list", "watch"} <= set(rule["verbs"]) <= {"get", "list", "watch"}, rule
        with Cluster(demo.namespace, []) as cluster:
            slices(cluster)
            text = play(binaries, "pods-client", args, cluster.environment)
            assert "pods-1" not in text and "RoleBinding" in text, text
    finally:
        for process in started:
            process.kill()
            process.wait()
    print(f"pods-client and volery-proxy to {target}: the Role allows what they ask ({', '.join(sorted(r[0] for r in requests))})")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binaries", type=Path)
    parser.add_argument("--front", type=Path, help="the program of Examples/Front")
    parser.add_argument("--roots", type=Path, help="a folder with the root folder of each image, instead of the programs alone")
    parser.add_argument("--inside", action="store_true", help="the network is the check's own")
    options = parser.parse_args()
    if options.inside:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        for container in containers():
            run(options, container)
        if options.roots:
            together(options)
        else:
            # For the files of a ServiceAccount.
            subprocess.run(["mount", "-t", "tmpfs", "none", os.path.realpath("/var/run")], check=True)
            follow(options.binaries.resolve())
        return
    for name in EXPECTED:
        demo = Demo(name)
        demo.check()
        print(f"{name}: {len(demo.objects)} resources are right for Kubernetes {VERSION}", *sorted(demo.targets()))
    dockerfile()
    # With a /proc of its own: libdispatch looks for its threads there, and ends the program where it finds others'.
    alone = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc"]
    if subprocess.run([*alone, "true"], stderr=subprocess.DEVNULL).returncode != 0:
        print("the programs: SKIPPED, this machine allows no namespaces")
        return
    subprocess.run([*alone, sys.executable, __file__, *sys.argv[1:], "--inside"], check=True, timeout=200)


if __name__ == "__main__":
    sys.exit(main())
