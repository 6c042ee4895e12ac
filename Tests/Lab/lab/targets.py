"""A12: targets other than a DNS name and a port."""

import json
import os
import pathlib
import time

from .client import between, first_call, last_call, shares
from .dns import DNSMasq, ScriptedDNS
from .scenario import SLACK, case


def check_pods(lab, words, target, names):
    calls = lab.client(target, rate=100, calls=200).wait(15)
    lab.check_no_failures(calls, f" ({words})")
    called, expected = (" ".join(sorted(found)).replace(lab.folder, "") for found in (shares(calls), names))
    lab.check(f"{words}: pods called", called, equal=expected)


def check_first(lab, words, calls, pod, changed, at_most):
    first = first_call(calls, pod)
    lab.check(words, first - changed if first else None, at_most=at_most, unit=" s")


@case("A12", "static and unix targets; a scheme that nobody knows", quick=True)
def a12(lab):
    pods = lab.pods(range(1, 3))
    socket_path = f"{lab.folder}/pod.socket"
    lab.pod_on([f"unix:{socket_path}"])
    names = [pod.name for pod in pods]
    check_pods(lab, "static", "static:///" + ",".join(names), names)
    check_pods(lab, "unix", f"unix:{socket_path}", [f"unix:{socket_path}"])
    try:
        lab.client("dsn:///pods.test:50051", rate=1, calls=1)
        text = "no error"
    except RuntimeError as error:
        text = str(error)
    known = all(scheme in text for scheme in ('unknown scheme "dsn"', "dns, dns+srv, file", "unix"))
    lab.check("a slip in the scheme is an error that lists the known ones", known, equal=True)


@case("A12", "dns+srv: hosts, ports and changes come from SRV records", part="srv")
def a12_srv(lab):
    pods = [lab.pod_on([f"127.0.1.{number}"], port=50050 + number) for number in range(1, 4)]
    hosts = {f"pod-{number}.pods.test": [f"127.0.1.{number}"] for number in range(1, 4)}
    lines = [f"--srv-host=_grpc._tcp.pods.test,{host},{50051 + index},0,50" for index, host in enumerate(hosts)]
    # dnsmasq gives the targets' addresses along.
    other = DNSMasq(lab.folder, "127.0.0.2", arguments=lines)
    for name, found in hosts.items():
        other.publish(found, name)
    check_pods(lab, "dnsmasq", "dns+srv://127.0.0.2/_grpc._tcp.pods.test", [pod.name for pod in pods])
    asked = sum(len(lab.wire.queries_of(kind, name=name)) for kind in ("A", "AAAA") for name in hosts)
    lab.check("questions for targets whose addresses came along", asked, equal=0)

    now = [1, 2]

    def answer(name, kind):
        if kind == "SRV":
            return [(0, 10, 50050 + number, f"pod-{number}.pods.test") for number in now]
        return hosts.get(name, "nxdomain") if kind == "A" else []

    ScriptedDNS(answer)
    client = lab.client("dns+srv:///_grpc._tcp.pods.test", rate=200, seconds=40)
    lab.pause(2)
    now[:] = [1, 2, 3]
    added = time.monotonic()
    lab.until(lambda: first_call(client.calls, pods[2].name), 5)
    lab.pause(1)
    now[:] = [2, 3]
    removed = time.monotonic()
    lab.pause(2.5)
    calls = client.stop()
    lab.check_no_failures(calls)
    check_first(lab, "first call on a pod that is added", calls, pods[2].name, added, lab.interval + SLACK)
    lab.check(
        "last call on a pod that is removed",
        last_call(calls, pods[0].name) - removed,
        at_most=lab.interval + SLACK,
        unit=" s",
    )


class EndpointsFile:
    """The file of a file: target, changed as people and Kubernetes change files."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder) / "config"
        self.folder.mkdir()
        self.path = self.folder / "endpoints.json"
        self._version = 0

    def rename(self, text):
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        fresh.rename(self.path)
        return time.monotonic()

    def rewrite(self, text):
        self.path.write_text(text)
        return time.monotonic()

    def swap(self, text):
        """A ConfigMap: the file leads to ..data/NAME, and ..data to a folder that is new each time."""
        self._version += 1
        old, new = (self.folder / f"..{version}" for version in (self._version - 1, self._version))
        new.mkdir()
        (new / self.path.name).write_text(text)
        link = self.folder / "..data_tmp"
        link.symlink_to(new.name)
        link.rename(self.folder / "..data")
        changed = time.monotonic()
        if old.exists():
            (old / self.path.name).unlink()
            old.rmdir()
        if not self.path.is_symlink():
            self.path.unlink(missing_ok=True)
            os.symlink(f"..data/{self.path.name}", self.path)
        return changed


@case("A12", "file: changes count at once, and a bad file changes nothing", part="file", limit=90)
def a12_file(lab):
    pods = lab.pods(range(1, 3))
    spares = lab.pod_on([f"127.0.2.{number}" for number in range(1, 31)])
    file = EndpointsFile(lab.folder)

    def text(*addresses):
        return json.dumps({"endpoints": [{"address": f"{address}:50051"} for address in addresses]}, indent=1)

    both = [pod.address for pod in pods]
    file.rename(text(*both))
    client = lab.client(f"file://{file.path}", rate=500, seconds=80)
    lab.pause(1)
    for words, change in (("renamed", file.rename), ("rewritten", file.rewrite), ("a ConfigMap", file.swap)):
        changes = []
        for _ in range(10):
            address = spares.addresses[0]
            spares.addresses.pop(0)
            changes.append((f"{address}:50051", change(text(*both, address))))
            lab.pause(0.4)
        calls = client.calls
        firsts = [first_call(calls, pod) for pod, _ in changes]
        waits = [first - when for first, (_, when) in zip(firsts, changes) if first]
        lab.check(
            f"{words}: first call after a change, the latest of 10",
            max(waits) * 1000 if len(waits) == 10 else None,
            at_most=250,
            unit=" ms",
        )
    bad = file.swap(text(*both)[:-9])
    lab.pause(2)
    file.swap(text(*both))
    lab.pause(1)
    (file.folder / "..data").unlink()
    lab.pause(2)
    calls = client.stop()
    lab.check_no_failures(calls)
    lab.check("pods called while the file is bad, and then gone", len(shares(between(calls, bad + 2))), at_least=2)
    told = [line for line in open(client.errors) if "resolving failed" in line]
    lab.check("lines in the log about the bad file", sum(1 for line in told if "not JSON" in line), equal=1)
    lab.check("lines about the file that is gone", sum(1 for line in told if "No such file" in line), equal=1)
    lab.notes += [line.strip() for line in told]


@case("A12", "the service config by DNS TXT, where the channel wants it", part="txt")
def a12_txt(lab):
    pods = lab.pods(range(1, 4))
    now = {"config": None}
    first_only = '[{"clientLanguage":["go"],"serviceConfig":{}},{"serviceConfig":{"loadBalancingConfig":[{"pick_first":{}}]}}]'

    def answer(name, kind):
        if kind == "TXT":
            config = now["config"] if name == "_grpc_config.pods.test" else None
            return ["v=spf1 -all", "grpc_config=" + config] if config else "nxdomain"
        return [pod.address for pod in pods] if kind == "A" else []

    ScriptedDNS(answer)
    others = lab.client(rate=100, seconds=40)
    client = lab.client(rate=100, seconds=40, config_from_dns=True)
    times = []
    for config in ("[7]", first_only, '[{"serviceConfig":{"loadBalancingConfig":[{"nobody_knows":{}}]}}]', "{", None):
        lab.pause(1.5)
        now["config"] = config
        times.append(time.monotonic())
        lab.pause(1.5)
    calls, unaware = client.stop(), others.stop()
    lab.check_no_failures(calls)
    lab.check_no_failures(unaware, " of a channel that does not want it")

    def pods_of(found, start, end):
        return len(shares(between(found, start + lab.interval + SLACK, end)))

    lab.check("pods called before", len(shares(between(calls, 0, times[0]))), equal=3)
    lab.check("with a bad one after none: nothing changes", pods_of(calls, times[0], times[1]), equal=3)
    lab.check("pods called once it says pick_first", pods_of(calls, times[1], times[2]), equal=1)
    lab.check("with a policy that nobody knows: the last valid one holds", pods_of(calls, times[2], times[3]), equal=1)
    lab.check("with what is not JSON: too", pods_of(calls, times[3], times[4]), equal=1)
    lab.check("pods called once there is none", pods_of(calls, times[4], float("inf")), equal=3)
    lab.check("pods called by a channel that does not want it", pods_of(unaware, times[1], times[2]), equal=3)
    mine = [line for line in open(client.errors) if "service config is refused" in line]
    lab.check("lines in the log about bad ones", len(mine), equal=3)
    lab.notes += [line.strip() for line in mine]
