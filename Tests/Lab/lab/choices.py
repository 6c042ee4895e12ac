"""B: balancing with a policy that was chosen for it. The default's cases are in balancing.py."""

import json
import os
import time
from collections import defaultdict

from .client import answered, between, first_call, percentile, shares
from .network import Unavailable
from .scenario import SLACK, case


def config(*policies):
    """A service config of policies around each other, the outermost first: their names with their configurations."""
    chosen = []
    for name, settings in reversed(policies):
        chosen = [{name: {**settings, "childPolicy": chosen} if chosen else settings}]
    return json.dumps({"loadBalancingConfig": chosen})


def only_ours(lab):
    if lab.options.reference:
        raise Unavailable("grpcio's client has no such policy without a control plane")


def write_endpoints(lab, endpoints):
    """For the target file:///: a file in the old one's place."""
    fresh = f"{lab.folder}/endpoints.new"
    with open(fresh, "w") as file:
        json.dump({"endpoints": endpoints}, file)
    path = f"{lab.folder}/endpoints.json"
    os.rename(fresh, path)
    return f"file://{path}", time.monotonic()


@case("B3", "one pod is ten times slower, peak_ewma; times are exponentially distributed", limit=90, part="peak-ewma")
def b3_peak_ewma(lab):
    only_ours(lab)
    pods = lab.pods(range(1, 6), exponential=True)
    lab.publish(pods)
    client = lab.client(rate=500, seconds=40, policy="peak_ewma")
    lab.pause(6)
    slowed = pods[0].say("delay 100")
    lab.pause(10)
    ended = time.monotonic()
    calls = client.stop()
    lab.check_no_failures(calls)
    healthy = percentile(between(calls, slowed - 5, slowed), 0.99)
    after = between(calls, slowed + 2, ended)
    share = 100 * shares(after)[pods[0].name] / max(1, len(after))
    lab.check("share of the slow pod after 2 s", share, at_most=8, unit=" %")
    lab.check("p99 of all calls after 2 s over the healthy p99", percentile(after, 0.99) / healthy, at_most=5)
    lab.note(f"p99: healthy {healthy:.1f} ms, with the slow pod {percentile(after, 0.99):.1f} ms")


@case("B7", "a new pod is five times slower in its first second", limit=60)
def b7(lab):
    cold_pod(lab, None, at_most=2)


@case("B7", "the same with slow_start of 5 s", limit=60, part="slow-start")
def b7_slow_start(lab):
    only_ours(lab)
    cold_pod(lab, config(("slow_start", {"window": "5s"}), ("rr_least_request", {})), at_most=1)


def cold_pod(lab, service_config, at_most):
    pods = lab.pods(range(1, 6), exponential=True)
    lab.publish(pods)
    client = lab.client(rate=500, seconds=40, service_config=service_config)
    lab.pause(4)
    new = lab.pods([6], exponential=True, delay=50)[0]
    lab.publish([*pods, new])
    came = lab.until(lambda: first_call(client.calls, new.name), 5)
    lab.pause(1)
    new.say("delay 10")
    lab.pause(9)
    calls = client.stop()
    lab.check_no_failures(calls)
    first = first_call(calls, new.name)
    if came is None or first is None:
        lab.check("first call on the new pod", None, at_most=5, unit=" s")
        return
    lab.check("outstanding on the new pod over the mean, in its first second", busy(calls, new.name, first), at_most=at_most)
    later = between(calls, first + 6, first + 8.5)
    fair = 6 * shares(later)[new.name] / max(1, len(later))
    lab.check("its share of the calls 6 s later, over the fair share", fair, at_least=0.9, at_most=1.1)
    seconds = [between(calls, first + second, first + second + 1) for second in range(6)]
    steps = [6 * shares(part)[new.name] / max(1, len(part)) for part in seconds]
    lab.note("its share over the fair share, second by second: " + " / ".join(f"{step:.2f}" for step in steps))


def busy(calls, name, since, pods=6):
    """The pod's calls outstanding over the mean of all pods', looked at each 10 ms of a second."""
    own = every = 0
    for step in range(100):
        when = since + step / 100
        running = [call.pod for call in answered(calls) if call.due <= when < call.ended]
        own += running.count(name)
        every += len(running)
    return own * pods / max(1, every)


@case("B9", "100 clients of 200 pods, deterministic subsets of 12", limit=120)
def b9(lab):
    only_ours(lab)
    addresses = [f"127.0.2.{number}" for number in range(1, 202)]
    # A process for 67 pods each: each of its addresses is a server to whoever calls.
    hosts = [lab.pod_on(addresses[start : start + 67], delay=1) for start in range(0, 201, 67)]
    lab.note(f"{len(hosts)} processes listen on {len(addresses)} addresses")
    spare = addresses.pop()
    lab.publish(addresses)
    subset = config(("deterministic_subsetting", {"subsetSize": 12, "clientIndex": "CHANNEL"}), ("round_robin", {}))
    client = lab.client(rate=500, seconds=90, channels=100, service_config=subset.replace('"CHANNEL"', "CHANNEL"))
    lab.until(lambda: len(client.calls) > 200, 20)
    lab.pause(8)
    before = pods_of(between(client.calls, time.monotonic() - 6))
    counts = defaultdict(int)
    for pods in before.values():
        for pod in pods:
            counts[pod] += 1
    lab.check("clients", len(before), equal=100)
    lab.check("pods that a client uses", max(map(len, before.values())), at_least=12, at_most=12)
    mean = sum(counts.values()) / 200
    lab.check("most clients of a pod over the mean", max(counts.values()) / mean, at_most=1.10)
    lab.check("fewest clients of a pod over the mean", min(counts.values()) / mean if len(counts) == 200 else 0, at_least=0.9)

    def changes(words, published, at_most):
        opened = time.monotonic()
        lab.publish(published)
        lab.pause(lab.interval + 1)
        settled = time.monotonic()
        lab.pause(6)
        after = pods_of(between(client.calls, settled))
        new = [len(after[number] - before[number]) for number in before]
        lab.check(f"{words}: most new pods of a client", max(new), at_most=at_most)
        openings = len(lab.wire.openings_to(since=opened))
        lab.note(f"{words}: {sum(1 for count in new if count)} of 100 clients changed, {openings} connections were opened")
        return after

    replaced = [spare if address == addresses[99] else address for address in addresses]
    before = changes("a pod in another one's place", replaced, 1)
    changes("a pod gone", [address for address in replaced if address != spare], 6)
    lab.check_no_failures(client.stop())


def pods_of(calls):
    """Of each channel the pods that it has called."""
    found = defaultdict(set)
    for call in answered(calls):
        found[call.channel].add(call.pod)
    return found


@case("B10", "three zones, zone_aware: calls stay in their zone, and leave it when its pods are gone", limit=90, quick=True)
def b10(lab):
    only_ours(lab)
    # 4, 5 and 5 pods: the first zone has a seventh less than a third of all.
    zones = {"a": range(1, 5), "b": range(5, 10), "c": range(10, 15)}
    addresses = {zone: [f"127.0.1.{number}" for number in numbers] for zone, numbers in zones.items()}
    hosts = {zone: lab.pod_on(found) for zone, found in addresses.items()}

    def endpoints(of):
        return [{"address": f"{address}:50051", "zone": zone} for zone, found in of.items() for address in found]

    target, _ = write_endpoints(lab, endpoints(addresses))
    policy = config(("zone_aware", {}), ("rr_least_request", {}))
    clients = {
        zone: lab.client(target, {"VOLERY_ZONE": zone}, rate=150, seconds=60, service_config=policy, refresh=0)
        for zone in zones
    }
    zone_of = {f"{address}:50051": zone for zone, found in addresses.items() for address in found}
    began = time.monotonic()
    lab.pause(5)
    for zone, client in clients.items():
        calls = between(client.calls, began + 0.5)
        local = sum(1 for call in calls if zone_of.get(call.pod) == zone)
        lab.check(f"calls of zone {zone} that stay there", 100 * local / max(1, len(calls)), at_least=90, unit=" %")
    # One pod of eleven for a third of the clients: it gets what a pod may have, not a third.
    few = {**addresses, "a": addresses["a"][:1]}
    _, changed = write_endpoints(lab, endpoints(few))
    lab.pause(5)
    calls = [call for client in clients.values() for call in between(client.calls, changed + 1)]
    loads = shares(calls)
    mean = sum(loads.values()) / 11
    lab.check("one pod left in zone a: its calls over the mean", loads[f"{few['a'][0]}:50051"] / mean, at_most=1.35)
    # Its pods end, in order, and the file says so.
    gone = hosts["a"].terminate()
    write_endpoints(lab, endpoints({zone: found for zone, found in addresses.items() if zone != "a"}))
    lab.pause(4)
    calls = {zone: client.stop() for zone, client in clients.items()}
    lab.check_no_failures([call for each in calls.values() for call in each])
    elsewhere = between(calls["a"], gone + lab.interval)
    lab.check(
        "its pods gone: calls of zone a that another zone has answered, an interval later",
        sum(1 for call in answered(elsewhere) if zone_of.get(call.pod) != "a"),
        equal=len(elsewhere),
    )


@case("B11", "ring_hash by a header: a key has its pod, and only a lost pod's keys move", limit=60, quick=True)
def b11(lab):
    only_ours(lab)
    pods = lab.pods(range(1, 11))
    lab.publish(pods)
    policy = config(("ring_hash_experimental", {"requestHashHeader": "x-key"}))
    keys = 500
    clients = [lab.client(rate=250, seconds=60, keys=keys, service_config=policy) for _ in range(2)]
    lab.pause(6)
    gone = pods[3]
    lab.publish([pod for pod in pods if pod is not gone])
    left = time.monotonic()
    lab.pause(lab.interval + SLACK)
    gone.terminate()
    settled = time.monotonic() + 0.5
    lab.pause(5)
    calls = [client.stop() for client in clients]
    lab.check_no_failures([call for each in calls for call in each])
    # Calls in their order: the one with number n has the key number n modulo 500.
    keyed = [(number % keys, call) for each in calls for number, call in enumerate(each)]
    before, after = (homes(keyed, *time) for time in ((0, left), (settled, float("inf"))))
    lab.check("keys that were called", len(before), equal=keys)
    lab.check("keys with more than one pod, of both clients", sum(1 for found in before.values() if len(found) > 1), equal=0)
    moved = [key for key in before if key in after and before[key] != after[key]]
    lab.check("keys that moved when one of ten pods went", 100 * len(moved) / keys, at_most=12, unit=" %")
    lab.check("keys that moved though their pod is there", sum(1 for key in moved if before[key] != {gone.name}), equal=0)
    loads = defaultdict(int)
    for found in before.values():
        for pod in found:
            loads[pod] += 1
    lab.note("keys of each pod: " + " / ".join(str(loads[pod.name]) for pod in pods))


def homes(keyed, start, end):
    """Of each key the pods that have answered its calls that were due in that time."""
    found = defaultdict(set)
    for key, call in keyed:
        if call.code == 0 and start <= call.due < end:
            found[key].add(call.pod)
    return found


@case("B14", "weights of 1, 2 and 3 that the resolver brings", limit=60, part="weights")
def b14_weights(lab):
    only_ours(lab)
    pods = lab.pods(range(1, 4))
    target, _ = write_endpoints(lab, [{"address": pod.name, "weight": number + 1} for number, pod in enumerate(pods)])
    for policy in ("rr_least_request", "round_robin"):
        calls = lab.client(target, rate=300, calls=1200, policy=policy, refresh=0).wait(30)
        lab.check_no_failures(calls, f" ({policy})")
        found = [shares(between(calls, calls[0].due + 0.5))[pod.name] for pod in pods]
        worst = max(abs(count / sum(found) * 6 / (number + 1) - 1) for number, count in enumerate(found))
        lab.check(f"{policy}: furthest from its share, of it", 100 * worst, at_most=3, unit=" %", text=" / ".join(map(str, found)))
