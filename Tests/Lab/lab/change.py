"""C: change without loss."""

import time

from . import hostile, http2
from .client import answered, between, causes, failed, latest_first, shares, skew
from .scenario import BOTH, SLACK, case


def worst_share(calls, published, width=2.0, step=0.1):
    """The most calls that a pod got within any window of 2 s over the fair share: published is a list of (when, names),
    the pods in DNS from then on. Only pods that were in DNS during the whole window are looked at."""
    start, end, worst = calls[0].due + 1, calls[-1].due, 0.0
    dues = {}
    for call in answered(calls):
        dues.setdefault(call.pod, []).append(call.due)
    at = start
    while at + width <= end:
        now = [names for when, names in published if when <= at][-1:] + [
            names for when, names in published if at < when < at + width
        ]
        if now:
            # Where nobody answered there is no share.
            total = max(1, sum(1 for times in dues.values() for due in times if at <= due < at + width))
            fair = total / min(len(names) for names in now)
            for pod in set.intersection(*(set(names) for names in now)):
                count = sum(1 for due in dues.get(pod, []) if at <= due < at + width)
                worst = max(worst, count / fair)
        at += step
    return worst


@case("C1", "rolling restart of five pods under 500 calls/s", limit=150, quick=True, variants=BOTH)
def c1(lab, kind="volery"):
    seconds = 20 if lab.quick else 60
    step = (seconds - 5) / 5
    pods = lab.pods(range(1, 6), kind)
    published = [(lab.publish(pods), [pod.name for pod in pods])]
    client = lab.client(rate=500, seconds=seconds)
    lab.pause(2)
    changes = []
    for index in range(5):
        began = time.monotonic()
        new = lab.pods([11 + index], kind)[0]
        old, pods = pods[0], pods[1:] + [new]
        old.terminate()
        when = lab.publish(pods)
        published.append((when, [pod.name for pod in pods]))
        changes.append((new.name, when))
        lab.pause(max(0, step - (time.monotonic() - began)))
    calls = client.wait(seconds + 20)
    lab.check_no_failures(calls, kind=kind)
    worst = latest_first(calls, changes)
    lab.check(
        "first call on a new pod after its DNS record, the latest of 5",
        worst,
        at_most=lab.interval + SLACK,
        unit=" s",
    )
    lab.check("busiest pod of any 2 s, over the fair share", worst_share(calls, published), at_most=1.5)
    words = "grpcio pods" if kind == "grpcio" else "pods"
    lab.draw(
        calls,
        f"Rolling restart of five {words} at 500 calls/s: SIGTERM and DNS",
        [(when, f"restart {index + 1}") for index, (_, when) in enumerate(changes)],
    )


@case(
    "C2", "the same with DNS 5 s behind, 500 ms handlers and 50 open streams", limit=150, quick=False, variants=BOTH
)
def c2(lab, kind="volery"):
    count = 2 if lab.quick else 5
    limit = 3.0
    pods = lab.pods(range(1, 6), kind, delay=500, drain_limit=limit)
    lab.publish(pods)
    client = lab.client(rate=500, seconds=count * 6 + 8, streams=50)
    lab.pause(3)
    terminated = {}
    for index in range(count):
        new = lab.pods([11 + index], kind, delay=500, drain_limit=limit)[0]
        old, pods = pods[0], pods[1:] + [new]
        terminated[old.name] = old.terminate()
        lab.pause(5)
        lab.publish(pods)
        lab.pause(1)
    calls = client.wait(60)
    bad = [event for event in client.streams if event.what == "ended" and event.code != 0]
    # What a stopping grpcio server cancels, streams too, is judged with the calls.
    lab.check_no_failures(calls, kind=kind, streams=bad)
    early = [
        event
        for event in bad
        if event.code not in (1, 14)
        or event.code == 1
        and kind != "grpcio"
        or event.code == 14
        and event.time < terminated.get(event.pod, float("inf")) + limit - 0.1
    ]
    lab.check("streams that ended badly before the drain limit", len(early), equal=0)
    lab.note(f"{len(bad)} streams were ended by the drain limit of {limit:.0f} s")
    lab.notes += [f"{event.code}: {event.message[:300]}" for event in early[:2]]
    begun = sum(len(lab.wire.openings_to(address=pod.split(":")[0])) for pod in terminated)
    lab.note(f"{begun} connections were opened to the {count} restarted pods")


@case("C3", "one replica replaced by another", quick=True, variants=BOTH)
def c3(lab, kind="volery"):
    trials = 3 if lab.quick else 10
    pod = lab.pods([1], kind)[0]
    lab.publish([pod])
    client = lab.client(rate=500, seconds=80)
    lab.pause(2)
    ends = []
    for number in range(trials):
        old, pod = pod, lab.pods([11 + number], kind)[0]
        lab.publish([pod])
        ends.append(old.terminate())
        lab.pause(2)
    calls = client.stop()
    lab.check_no_failures(calls, kind=kind)
    lab.check("longest call", max((call.ended - call.due for call in calls), default=0), at_most=1.0, unit=" s")
    lab.check("pods called", len(shares(calls)), equal=trials + 1)
    slow = [call for call in calls if call.ended - call.due > 0.25]
    if slow:
        lab.note(f"{len(slow)} calls took more than 250 ms; the first was due {slow[0].due - calls[0].due:.2f} s in")
    lab.note("look-ups at " + ", ".join(f"{query.time - calls[0].due:.2f}" for query in lab.wire.queries_of("A")))
    lab.note(
        "connects at "
        + ", ".join(f"{opening.time - calls[0].due:.2f} ({opening.address})" for opening in lab.wire.openings_to())
    )
    lab.note("SIGTERM at " + ", ".join(f"{when - calls[0].due:.2f}" for when in ends))


@case("C4", "one of five pods is killed", quick=True)
def c4(lab):
    trials = 2 if lab.quick else 5
    for method, bar in (("call", 5), ("read", 0)):
        pods = lab.pods(range(1, 6))
        lab.publish(pods)
        client = lab.client(rate=500, seconds=60, method=method)
        lab.pause(2)
        kills = []
        for index in range(trials):
            kills.append(pods[0].kill())
            lab.pause(0.5)
            pods[0].wait_exit(5)
            pods[0] = lab.pods([11 + index])[0]
            lab.publish(pods)
            lab.pause(2)
        calls = client.stop()
        losses = [len(failed(between(calls, when - 2.5, when + 2))) for when in kills]
        words = "that may not be repeated" if method == "call" else "that may be repeated"
        lab.check(f"failed calls {words}, most at one kill", max(losses), at_most=bar)
        lab.check(f"failed calls {words}, at other times", len(failed(calls)) - sum(losses), at_most=0)
        lab.notes += causes(calls)
        for pod in pods:
            pod.kill()
            pod.wait_exit(5)


@case("C5", "five pods, then fifty, then five again", limit=90, quick=True)
def c5(lab):
    pods = lab.pods(range(1, 51))
    lab.publish(pods[:5])
    client = lab.client(rate=500, seconds=60)
    lab.pause(2)
    lab.publish(pods)
    grown = time.monotonic()
    lab.pause(5)
    for pod in pods[5:]:
        pod.terminate()
    shrunk = lab.publish(pods[:5])
    lab.pause(5)
    closed = lab.wire.closed()
    calls = client.stop()
    lab.check_no_failures(calls)
    lab.check("pods called", len(shares(between(calls, grown, shrunk))), equal=50)
    lab.check("connections opened", len(lab.wire.openings_to()), at_most=50)
    lab.check("connections closed while it runs", closed, at_most=45)
    lab.check("pods called at the end", len(shares(between(calls, shrunk + 2))), equal=5)
    codes = [pod.wait_exit(5) for pod in pods[5:]]
    lab.check("pods that left in order", sum(1 for code in codes if code == 0), equal=45)


@case("C6", "a server that drains says so in the right order", quick=True)
def c6(lab):
    pod = lab.pods([1], delay=1500)[0]
    watch = http2.Connection(pod.address)
    watch.call("/grpc.health.v1.Health/Watch", b"", end=True)
    lab.check("health at first", watch.wait_message(3), equal=b"\x08\x01")
    call = http2.Connection(pod.address)
    stream = call.call("/volery.lab.Lab/Call", b"\x0a\x01x", end=True)
    lab.pause(0.3)
    terminated = pod.terminate()
    lab.check("health after SIGTERM", watch.wait_message(3), equal=b"\x08\x02")
    first = call.wait_frame(http2.GOAWAY, 3)
    lab.check("last stream of the first GOAWAY", first and http2.last_stream(first), equal=2**31 - 1)
    ping = call.wait_frame(http2.PING, 3)
    lab.check("a PING follows", ping is not None, equal=True)
    second = call.wait_frame(http2.GOAWAY, 3)
    lab.check("last stream of the final GOAWAY", second and http2.last_stream(second), equal=stream)
    refused = 0
    for _ in range(20):
        try:
            http2.Connection(pod.address).close()
        except OSError:
            refused += 1
        lab.pause(0.02)
    lab.check("connections refused while it drains, of 20", refused, equal=0)
    late = 0
    for _ in range(5):
        # It does not wait for the server's SETTINGS, which come with a GOAWAY now.
        other = http2.Connection(pod.address)
        late += other.wait_end(other.call("/grpc.health.v1.Health/Check", b"", end=True), 3) == "0"
        other.close()
    lab.check("calls that come with a new connection while it drains, answered, of 5", late, equal=5)
    answer = call.wait_end(stream, 5)
    lab.check("the running call's status", answer, equal="0")
    ended = time.monotonic()
    watch.close()
    call.wait_close(2)
    code = pod.wait_exit(5)
    lab.check("exit code", code, equal=0)
    lab.check("exit after the last call", time.monotonic() - ended, at_most=0.1, unit=" s")
    lab.note(f"the call ended {ended - terminated:.1f} s after SIGTERM")
    stuck = lab.pods([2], delay=20000, drain_limit=2)[0]
    waiting = http2.Connection(stuck.address)
    waiting.call("/volery.lab.Lab/Call", b"\x0a\x01x", end=True)
    lab.pause(0.3)
    terminated = stuck.terminate()
    stuck.wait_exit(6)
    lab.check(
        "hard stop with a drain limit of 2 s", time.monotonic() - terminated, at_least=1.9, at_most=2.5, unit=" s"
    )
    waiting.close()


@case("C7", "servers end every connection after a second (MAX_CONNECTION_AGE)", limit=90, quick=True, variants=BOTH)
def c7(lab, kind="volery"):
    pods = lab.pods(range(1, 6), kind, age=1000)
    lab.publish(pods)
    seconds = 10 if lab.quick else 30
    calls = lab.client(rate=500, seconds=seconds).wait(seconds + 20)
    lab.check_no_failures(calls, kind=kind)
    lab.check("connections opened", len(lab.wire.openings_to()), at_least=int(5 * seconds * 0.4))
    lab.note(
        f"longest call {max(call.ended - call.due for call in calls) * 1000:.0f} ms; "
        f"busiest pod over the mean {skew(calls, 5):.2f}"
    )


@case("C8", "a GOAWAY that leaves open streams behind", limit=60)
def c8(lab):
    pods = lab.pods(range(1, 5), delay=30)
    quitter = hostile.Quitter("127.0.1.9", delay=0.03, calls=20)
    lab.publish(pods + ["127.0.1.9"])
    calls = lab.client(rate=1000, seconds=8).wait(20)
    lab.check_no_failures(calls)
    lab.check("GOAWAYs with streams left behind", quitter.farewells, at_least=3)
    runs = [pod.counts() for pod in pods]
    handled = sum(count for count, _ in runs) + quitter.answered
    lab.check("calls that servers ran, beside those that were made", handled, equal=len(calls))
    lab.check("calls that a server ran twice", sum(count - keys for count, keys in runs), equal=0)
    lab.note(f"{quitter.abandoned} streams were left behind by {quitter.farewells} GOAWAYs")
