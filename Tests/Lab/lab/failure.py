"""D: failure detection and start."""

import random
import re
import time

from . import hostile
from .client import answered, between, busiest_window, causes, failed, first_call, percentile, shares
from .scenario import BOTH, SLACK, case


@case("D1", "one of five pods becomes a black hole", limit=90, quick=True, variants=BOTH)
def d1(lab, kind="volery"):
    dark_for = 10 if lab.quick else 30
    pods = lab.pods(range(1, 6), kind)
    lab.publish(pods)
    client = lab.client(rate=500, seconds=80)
    lab.pause(3)
    lab.network.open_hole(pods[0].address)
    dark = time.monotonic()
    lab.pause(dark_for)
    lab.network.close_hole(pods[0].address)
    light = time.monotonic()
    lab.until(lambda: first_call(client.calls, pods[0].name, since=light), 15)
    lab.pause(2)
    calls = client.stop()
    bad = failed(between(calls, dark - 1, light))
    lab.check("failed calls that were due after 3 s", len(between(bad, dark + 3)), equal=0)
    lab.check("failed calls of the first 3 s", len(between(bad, 0, dark + 3)), at_most=100)
    back = first_call(calls, pods[0].name, since=light)
    lab.check("called again after the packets flow", back - light if back else None, at_most=15, unit=" s")
    lab.notes += causes(between(calls, dark - 1))
    lab.draw(calls, "One of five pods becomes a black hole", [(dark, "packets lost"), (light, "packets flow")])


@case("D2", "an address that never answers a connect", limit=90, quick=True)
def d2(lab):
    pods = lab.pods(range(1, 6))
    hole = "127.0.1.9"
    lab.network.open_hole(hole)
    lab.publish(pods + [hole])
    client = lab.client(rate=500, seconds=60)
    attempts, end = {}, time.monotonic() + (12 if lab.quick else 30)
    while time.monotonic() < end:
        now = time.monotonic()
        for port in lab.network.connections(hole, states=("02",)):
            attempts.setdefault(port, [now, now])[1] = now
        lab.pause(0.01)
    calls = client.stop()
    lab.check_no_failures(calls)
    lengths = [last - first for first, last in attempts.values()]
    lab.check(
        "the first attempt is given up after", lengths[0] if lengths else None, at_least=0.9, at_most=1.1, unit=" s"
    )
    lab.check("the longest attempt", max(lengths, default=None), at_most=20.2, unit=" s")
    lab.check("p99 of all calls", percentile(calls, 0.99), at_most=50, unit=" ms")
    lab.note("attempts: " + ", ".join(f"{length:.1f} s" for length in lengths))
    started = time.monotonic()
    calls = lab.client(f"static:{hole}:50051,{pods[0].address}:50051", policy="pick_first", rate=10, calls=3).wait(20)
    lab.check(
        "pick_first past an address that never answers: first call",
        (calls[0].ended - started) * 1000 if calls and calls[0].code == 0 else None,
        at_most=250 + 150,
        unit=" ms",
    )


@case("D3", "the pods are not there yet when the client starts: at the product's own interval", limit=120, quick=True)
def d3(lab):
    absent(lab, refresh=0, trials=2 if lab.quick else 8, bar=0.5)


@case("D3", "the pods are not there yet when the client starts: DNS is polled every second", limit=120, part="1s")
def d3_second(lab):
    absent(lab, refresh=1000, trials=4, bar=lab.interval + SLACK)


def absent(lab, refresh, trials, bar):
    """Clients that start some seconds before the pod appears: first there is no name, then an address that refuses."""
    lab.publish([])
    for words, cause in (("no name", "NXDOMAIN"), ("address that refuses", "refused")):
        errors, told, waited, firsts = [], [], [], {"fail fast": [], "wait": []}
        for trial in range(trials):
            # Each with a name and an address of its own, so that nothing is known of them.
            number = 1 + trial + (50 if cause == "refused" else 0)
            name, address = f"pods-{number}.test", f"127.0.1.{number}"
            if cause == "refused":
                lab.publish([address], name)
            target = f"dns:///{name}:50051"
            fast = lab.client(target, rate=50, seconds=40, refresh=refresh)
            patient = lab.client(target, rate=50, seconds=40, wait_for_ready=True, timeout=10000, refresh=refresh)
            # So that the pod comes at any moment between two looks.
            lab.pause(2 + 3 * (trial + random.random()) / trials)
            pod = lab.pods([number])[0]
            there = pod.listening if cause == "refused" else lab.publish([pod], name)
            for client in (fast, patient):
                lab.until(lambda: answered(client.calls), 15)
            calls, waits = fast.stop(), patient.stop()
            early = failed(between(calls, 0, there - 0.2))
            errors += [call.ended - call.due for call in early]
            told += [call for call in early if all(part in call.message for part in (name, cause))]
            waited += failed(waits)
            for kind, found in (("fail fast", calls), ("wait", waits)):
                firsts[kind].append(min((call.ended for call in answered(found)), default=float("inf")) - there)
        lab.check(f"{words}: calls that fail, the longest", max(errors, default=9) * 1000, at_most=100, unit=" ms")
        lab.check(f"{words}: failures that name target and cause", len(told), equal=len(errors))
        lab.check(f"{words}: failed calls that wait for a connection", len(waited), equal=0)
        for kind, found in firsts.items():
            lab.check(
                f"{words}: first answer after the pod is there, for calls that {kind}, the latest of {trials}",
                max(found),
                at_most=bar,
                unit=" s",
            )
            lab.note(f"{words}, {kind}: " + ", ".join(f"{first:.2f}" for first in sorted(found)) + " s")
        lab.notes += [call.message[:300] for call in told[-1:]]


@case("D4", "200 channels, one pod restarts: they do not come back all at once", quick=True)
def d4(lab):
    pods = lab.pods([1, 2])
    lab.publish(pods)
    client = lab.client(rate=400, seconds=40, channels=200, refresh=0)
    lab.until(lambda: len(lab.wire.openings_to(address=pods[0].address)) >= 200, 10)
    lab.pause(2)
    killed = pods[0].kill()
    pods[0].wait_exit(5)
    pods[0] = lab.pods([1])[0]
    lab.until(lambda: len(lab.network.connections(pods[0].address)) >= 200, 10)
    lab.pause(0.5)
    calls = client.stop()
    opened = [opening.time for opening in lab.wire.openings_to(address=pods[0].address, since=killed)]
    lab.check("connections opened again", len(opened), at_least=200)
    lab.check(
        "most of them in any 100 ms", 100 * busiest_window(opened, 0.1) / max(1, len(opened)), at_most=25, unit=" %"
    )
    lab.check("failed calls", len(failed(calls)), at_most=20)
    lab.note(f"within {max(opened) - killed:.2f} s" if opened else "none")


RETRIES = """{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":4,"initialBackoff":"0.01s","maxBackoff":"0.1s",
"backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}""".replace(
    "\n", ""
)


@case("D5", "every pod fails, and calls are retried: no storm", limit=60)
def d5(lab):
    pods = lab.pods(range(1, 6))
    lab.publish(pods)
    client = lab.client(rate=500, seconds=50, service_config=RETRIES)
    lab.pause(3)
    for pod in pods:
        pod.say("fail 14")
    lab.pause(5)
    before = sum(pod.counts()[0] for pod in pods)
    since = time.monotonic()
    lab.pause(5)
    sent = sum(pod.counts()[0] for pod in pods) - before
    offered = 500 * (time.monotonic() - since)
    for pod in pods:
        healed = pod.say("fail 0")
    lab.pause(6)
    calls = client.stop()
    lab.check("attempts over calls, after 5 s", sent / offered, at_most=1.2)
    bad = [call.due for call in failed(between(calls, healed))]
    lab.check("last failed call after they are well again", max(bad, default=healed) - healed, at_most=2, unit=" s")


@case("D6", "every failed call tells what happened", limit=60)
def d6(lab):
    pods = lab.pods([1, 2], delay=300)
    silent = hostile.Scripted("127.0.1.9", *hostile.MISBEHAVIOURS["accepts and says nothing"])
    lab.publish(pods)
    lab.publish(["127.0.1.8"], "refused.test")
    lab.publish([silent.address], "silent.test")

    def look(words, calls, where, what):
        bad = failed(calls)
        full = [call for call in bad if re.search(where, call.message)]
        lab.check(f"{words}: calls that failed", len(bad), at_least=1)
        lab.check(
            f"{words}: that say where ({what})", f"{len(full)} of {len(bad)}", equal=f"{len(bad)} of {len(bad)}"
        )
        waited = [call for call in bad if re.search(r"\d+ ms", call.message.split("resolver:")[0])]
        lab.check(
            f"{words}: that say how long they waited",
            f"{len(waited)} of {len(bad)}",
            equal=f"{len(bad)} of {len(bad)}",
        )
        known = [call for call in bad if re.search(r"resolver: .* ms ago", call.message)]
        lab.check(
            f"{words}: that say what the resolver knows and since when",
            f"{len(known)} of {len(bad)}",
            equal=f"{len(bad)} of {len(bad)}",
        )
        lab.notes += [f"{words}: {call.message}" for call in bad[:1]]
        lab.notes += [f"{words}: {call.message}" for call in bad if call not in full or call not in waited][:1]

    def target(name):
        return f"dns:///{name}.test:50051"

    look("no such name", lab.client(target("none"), rate=10, calls=5).wait(10), r"no pick|no addresses", "no pick")
    look(
        "connection refused",
        lab.client(target("refused"), rate=10, calls=5).wait(10),
        r"127\.0\.1\.8:50051",
        "address",
    )
    look(
        "a server that says nothing",
        lab.client(target("silent"), rate=10, calls=5, timeout=700).wait(10),
        r"127\.0\.1\.9:50051",
        "address",
    )
    look(
        "deadline",
        lab.client(rate=10, calls=5, timeout=100).wait(10),
        r"127\.0\.1\.[12]:50051|without a connection",
        "address",
    )
    client = lab.client(rate=100, seconds=10)
    lab.pause(1)
    pods[0].kill()
    lab.pause(1)
    calls = client.stop()
    look("the connection was lost", calls, r"127\.0\.1\.1:50051", "address")
    good = answered(calls)
    lab.check(
        "answers that name the server's address", sum(1 for call in good if call.peer == call.pod), equal=len(good)
    )


@case("D7", "an idle channel closes, and wakes", limit=60)
def d7(lab):
    pod = lab.pods([1], delay=0)[0]
    lab.publish([pod])
    calls_made = 4
    client = lab.client(rate=0.25, calls=calls_made, idle=1000)
    closed = 0
    for _ in range(calls_made - 1):
        lab.until(lambda: lab.network.connections(pod.address), 8)
        closed += lab.until(lambda: not lab.network.connections(pod.address), 3.5) is not None
    calls = client.wait(20)
    lab.check_no_failures(calls)
    lab.check("times that the idle channel closed its connection", closed, equal=calls_made - 1)
    lab.check("connections opened", len(lab.wire.openings_to()), at_most=calls_made)
    lab.check(
        "longest first call after idleness",
        max(call.ended - call.due for call in calls) * 1000,
        at_most=250,
        unit=" ms",
    )
    ends = [call.due + 2.2 for call in calls[:-1]]
    idle = sum(
        1 for query in lab.wire.queries_of("A") for end, call in zip(ends, calls[1:]) if end < query.time < call.due
    )
    lab.check("look-ups while idle", idle, equal=0)


@case("D8", "a resolver that crashes again and again", limit=60, quick=True)
def d8(lab):
    pods = lab.pods(range(1, 4))
    lab.publish(pods[:2])
    client = lab.client(rate=200, seconds=40, resolver_throws=300)
    lab.pause(4)
    changed = lab.publish(pods)
    lab.until(lambda: first_call(client.calls, pods[2].name), 15)
    lab.pause(2)
    calls = client.stop()
    lab.check_no_failures(calls)
    first = first_call(calls, pods[2].name)
    lab.check(
        "a new pod is still found, within the resolver's backoff",
        first - changed if first else None,
        at_most=4,
        unit=" s",
    )


@case("D9", "a pod says that it wants no more calls (health NOT_SERVING), and wants them again", quick=True)
def d9(lab):
    pods = lab.pods(range(1, 6))
    lab.publish(pods)
    client = lab.client(rate=500, seconds=40)
    lab.pause(2)
    off = pods[0].say("health off")
    lab.pause(2)
    on = pods[0].say("health on")
    lab.until(lambda: first_call(client.calls, pods[0].name, since=on), 5)
    lab.pause(1)
    for pod in pods:
        all_off = pod.say("health off")
    lab.pause(2)
    calls = client.stop()
    lab.check_no_failures(calls)
    own = [call.due - off for call in between(calls, off, on) if call.pod == pods[0].name]
    lab.check("last new call on it, after it said so", max(own, default=0), at_most=0.25, unit=" s")
    back = first_call(calls, pods[0].name, since=on)
    lab.check("called again after it wants calls", back - on if back else None, at_most=0.25, unit=" s")
    rest = between(calls, all_off + 0.5)
    lab.check("pods called once all of them want none", len(shares(rest)), equal=5)


HEDGES = """{"methodConfig":[{"name":[{}],"hedgingPolicy":{"maxAttempts":3,"hedgingDelay":"0.05s",
"nonFatalStatusCodes":["UNAVAILABLE"]}}]}""".replace(
    "\n", ""
)


@case("D10", "one pod is frozen, another one fails its calls, and calls are hedged after 50 ms", quick=True)
def d10(lab):
    pods = lab.pods(range(1, 6))
    lab.publish(pods)
    client = lab.client(rate=500, seconds=40, service_config=HEDGES)
    lab.pause(3)
    frozen = time.monotonic()
    healthy = sum(pod.counts()[0] for pod in pods) / max(1, len(between(client.calls, 0, frozen)))
    pods[0].freeze()
    lab.pause(4)
    pods[0].thaw()
    lab.pause(1)
    pods[1].say("fail 14")
    lab.pause(2)
    calls = client.stop()
    lab.check_no_failures(calls)
    lab.check("attempts over calls while all is well", healthy, at_most=1.05)
    slow = [(call.ended - call.due) * 1000 for call in between(calls, frozen)]
    lab.check("longest call with the frozen pod", max(slow, default=9999), at_most=250, unit=" ms")


@case(
    "D1",
    "servers are slower than every deadline: none is pinged too often, or left",
    limit=60,
    variants=("slow-volery", "slow-grpcio"),
)
def d1_slow(lab, kind):
    pods = lab.pods(range(1, 4), kind.split("-")[1], delay=3000)
    lab.publish(pods)
    calls = lab.client(rate=30, seconds=12 if lab.quick else 40, timeout=500).wait(60)
    others = [call for call in failed(calls) if call.code != 4]
    lab.check("calls that ended otherwise than by their deadline", len(others), equal=0)
    lab.check("connections", len(lab.wire.openings_to()), equal=3)
    lab.notes += causes(others)
