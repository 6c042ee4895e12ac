"""F: observability and safety."""

import os
import pathlib
import re
import resource
import statistics
import time

from .client import between, shares
from .pods import PORT
from .scenario import SLACK, case

WARNING = "the name has one address"


def samples(path, name):
    """The values of a metric in Prometheus' text format, by their labels."""
    found = {}
    for line in pathlib.Path(path).read_text().splitlines():
        if line.startswith(name + "{"):
            labels, value = line[len(name) + 1 :].rsplit("} ", 1)
            found[tuple(re.findall(r'="([^"]*)"', labels))] = float(value)
    return found


@case("F1", "the share of each pod, of the client's metrics alone, is what the pods have counted", quick=True)
def f1(lab):
    pods = lab.pods(range(1, 6), delay=0)
    lab.publish(pods[:4])
    path = f"{lab.folder}/metrics.prom"
    client = lab.client(rate=200, seconds=60, metrics=path)
    lab.until(lambda: len(shares(client.calls)) == 4, 15)
    # One comes, one goes.
    lab.publish(pods)
    lab.until(lambda: len(shares(client.calls)) == 5, 15)
    lab.publish(pods[1:])
    since = time.monotonic()
    lab.until(lambda: len(set(shares(between(client.calls, time.monotonic() - 0.5)))) == 4, 15)
    lab.pause(max(0, since + 3 - time.monotonic()))
    calls = client.stop()
    lab.check_no_failures(calls)
    target = "dns:///pods.test:50051"
    counted = {pod.name: pod.counts()[0] for pod in pods}
    picked = {pod: value for (_, pod), value in samples(path, "volery_channel_picks_total").items()}
    apart = max(abs(picked.get(name, 0) - count) for name, count in counted.items())
    lab.check("most that a pod's own count and the client's metrics differ by, of five pods", apart, equal=0)
    lab.check("picks of the metrics less all calls", sum(picked.values()) - len(calls), equal=0)
    known = samples(path, "volery_channel_endpoints")[(target,)]
    lab.check("endpoints known at the end", known, equal=4)
    ready = samples(path, "volery_channel_subchannels")[(target, "READY")]
    lab.check("subchannels ready at the end", ready, equal=4)
    answers = samples(path, "volery_resolver_answers_total")[(target,)]
    lab.check("answers of the resolver", answers, at_least=4)
    age = time.time() - samples(path, "volery_resolver_last_answer_seconds")[(target,)]
    lab.check("age of the last one", age, at_most=lab.interval * 2 + SLACK, unit=" s")
    lab.note(", ".join(f"{name}: {count:.0f}" for name, count in sorted(picked.items())))


def lines(client, text):
    return [line for line in open(client.errors) if text in line]


@case("F2", "a channel says once what it found, and once that one address looks like a ClusterIP", quick=True)
def f2(lab):
    pods = lab.pods(range(1, 4), delay=0)
    lab.publish(pods[:1], "one.test")
    lab.publish(pods, "three.test")
    one = lab.client("dns:///one.test:50051", rate=20, seconds=40, verbose=True)
    three = lab.client("dns:///three.test:50051", rate=20, seconds=40, verbose=True)
    literal = lab.client(f"{pods[0].name}", rate=20, seconds=40, verbose=True)
    default = lab.client("dns:///one.test:50051", rate=20, seconds=40)
    # Polls that find the same, then more, then one again.
    lab.until(lambda: len(lab.wire.queries_of("A", name="one.test")) >= 4, 10)
    lab.publish(pods[:2], "one.test")
    lab.until(lambda: len(shares(one.calls)) == 2, 10)
    since = time.monotonic()
    lab.publish(pods[:1], "one.test")
    lab.until(lambda: len(lab.wire.queries_of("A", since=since, name="one.test")) >= 5, 10)
    calls = [call for client in (one, three, literal, default) for call in client.stop()]
    lab.check_no_failures(calls)
    started = [lines(client, "channel started") for client in (one, three, literal)]
    lab.check("start lines of three channels", [len(found) for found in started], equal=[1, 1, 1])
    for words, found, parts in (
        ("a name with one address", started[0], ("dns:///one.test", "resolver=dns", "policy=", pods[0].name)),
        ("a name with three", started[1], ("dns:///three.test", "endpoints=3", *(pod.name for pod in pods))),
        ("an address", started[2], ("resolver=dns", pods[0].name)),
    ):
        full = all(part in line for line in found for part in parts)
        lab.check(f"{words}: the line has target, resolver, policy and addresses", full, equal=True)
    warned = [len(lines(client, WARNING)) for client in (one, default, three, literal)]
    words = "warnings: one address, the same at the default level, three addresses, a literal"
    lab.check(words, warned, equal=[1, 1, 0, 0])
    lab.notes += [line.strip() for line in lines(one, "channel started") + lines(one, WARNING)]


def kilobytes(pid):
    """The process's resident memory."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def descriptors(pid):
    """How many the process has open, and how many of them are connections to pods."""
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    pods = {f"socket:[{fields[9]}]" for fields in rows if int(fields[2].split(":")[1], 16) == PORT}
    found = []
    for entry in os.scandir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(entry.path))
        except FileNotFoundError:
            continue  # It was closed meanwhile.
    return len(found), sum(1 for link in found if link in pods)


@case("F5", "pods come and go, ten a second: memory and descriptors stay", limit=700, quick=True)
def f5(lab):
    total, warm = (250, 100) if lab.quick else (5000, 500)
    per_second, width = 10, 20
    # Every pod has an address that nobody had before; a few processes serve them all.
    addresses = [f"127.0.{10 + index // 250}.{1 + index % 250}" for index in range(total + width)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    hosts = [lab.pod_on(addresses[start : start + 1000], delay=0) for start in range(0, len(addresses), 1000)]
    lab.publish(addresses[:width])
    client = lab.client(rate=200, seconds=total / per_second + 60)
    pid = client.process.pid
    lab.until(lambda: len(lab.wire.openings_to()) >= width, 20)
    start, memory, others = time.monotonic(), [], []
    for number in range(1, total + 1):
        lab.publish(addresses[number : number + width])
        if number >= warm:
            count, connections = descriptors(pid)
            memory.append(kilobytes(pid))
            others.append(count - connections)
        lab.pause(max(0, start + number / per_second - time.monotonic()))
    seconds = time.monotonic() - start
    names = {f"{address}:{PORT}" for address in addresses[total:]}
    ended = time.monotonic()
    lab.until(lambda: set(shares(between(client.calls, time.monotonic() - 0.5))) == names, 15)
    settled = time.monotonic() - ended
    # Only now: meanwhile old and new ones together can be as many, for a moment.
    lab.until(lambda: descriptors(pid)[1] == width, 15)
    connections = descriptors(pid)[1]
    calls = client.stop()
    lab.check_no_failures(calls)
    # One that comes is in DNS for two seconds.
    lab.check("pods that came and were called, of all", 100 * len(shares(calls)) / (total + width), at_least=95, unit=" %")
    lab.check("the last ones, and no others, are called after", settled, at_most=lab.interval * 2 + SLACK, unit=" s")
    lab.check("connections at the end", connections, equal=width)
    # A sample each 100 ms; a tenth of them at either end.
    tenth = len(memory) // 10
    first, last = (statistics.median(part) for part in (memory[:tenth], memory[-tenth:]))
    lab.check(
        f"memory at the end over that after {warm} changes",
        last / first,
        at_least=0.95,
        at_most=1.05,
        text=f"{last / first:.3f} ({first / 1024:.1f} to {last / 1024:.1f} MiB)",
    )
    first, last = (statistics.median(part) for part in (others[:tenth], others[-tenth:]))
    lab.check("descriptors that are no connections to pods, at the end less those at first", last - first, equal=0)
    lab.note(
        f"{total} changes in {seconds:.0f} s, {len(lab.wire.openings_to())} connections; {first:.0f} descriptors besides "
        f"those; {len(hosts)} processes served the pods"
    )
