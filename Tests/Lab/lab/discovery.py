"""A: discovery."""

import random
import time

from .client import answered, between, busiest_window, failed, first_call, last_call, shares
from .scenario import case

BOTH = ("", "grpcio")
# A new answer is called within one poll interval and a quarter of a second for look-up and connection.
SLACK = 0.25


@case("A1", "one name, three pods: a connection to each, and equal shares", quick=True, variants=BOTH)
def a1(lab, kind="volery"):
    pods = lab.pods([1, 2, 3], kind)
    lab.publish(pods)
    calls = lab.client(rate=200, calls=1600).wait(30)
    counts = shares(calls)
    lab.check_no_failures(calls)
    firsts = [first_call(calls, pod.name) for pod in pods]
    slowest = max(firsts) - calls[0].due if None not in firsts else None
    lab.check("every pod called within", slowest, at_most=1.0, unit=" s")
    off = max(abs(counts[pod.name] - 1600 / 3) for pod in pods)
    lab.check("calls off the equal share of 533.3", off, at_most=2.4)
    lab.note(f"calls: {' / '.join(str(counts[pod.name]) for pod in pods)}")


@case("A2", "a pod is added to DNS while all connections are healthy", limit=120, quick=True)
def a2(lab):
    trials = 5 if lab.quick else 20
    pods = lab.pods(range(1, 6))
    spares = lab.pod_on([f"127.0.2.{number}" for number in range(1, trials + 1)])
    lab.publish(pods)
    client = lab.client(rate=500, seconds=trials * 2.5 + 30)
    lab.pause(2)
    changes = []
    for address in spares.addresses:
        changes.append((f"{address}:50051", lab.publish(pods + [address])))
        lab.pause(1.6 + random.random() * lab.interval)
    lab.pause(2)
    calls = client.stop()
    lab.check_no_failures(calls)
    waits = []
    for pod, when in changes:
        first = first_call(calls, pod)
        waits.append(None if first is None else first - when)
    worst = None if None in waits else max(waits)
    lab.check(f"first call on the new pod, the latest of {trials}", worst, at_most=lab.interval + SLACK, unit=" s")
    pod, _ = changes[-1]
    rest = between(calls, first_call(calls, pod) or calls[-1].due)[:1000]
    lab.check("its share of the next 1,000 calls (fair: 16.7 %)", 100 * shares(rest)[pod] / max(1, len(rest)),
              at_least=100 / 6 - 2, at_most=100 / 6 + 2, unit=" %")
    waits = sorted(wait for wait in waits if wait is not None)
    if waits:
        lab.note(f"median of the first calls: {waits[len(waits) // 2]:.3f} s after the DNS change")
    lab.draw(calls, "pods added to and removed from DNS", [(when, "DNS") for _, when in changes])


@case("A3", "a pod is removed from DNS and lives on", quick=True)
def a3(lab):
    pods = lab.pods(range(1, 6))
    lab.publish(pods)
    client = lab.client(rate=500, seconds=40, streams=20, stream_life=6000)
    lab.pause(2)
    carriers = {event.pod for event in client.streams}
    gone = next(pod for pod in pods if pod.name in carriers)
    changed = lab.publish([pod for pod in pods if pod is not gone])
    lab.pause(10)
    open_until = lab.until(lambda: not lab.network.connections(gone.address), 5)
    calls = client.stop()
    lab.check_no_failures(calls)
    late = last_call(calls, gone.name)
    lab.check("last new call on it, after the DNS change", late - changed if late else None,
              at_most=lab.interval + SLACK, unit=" s")
    on_it = [event for event in client.streams if event.pod == gone.name]
    messages = [event.time for event in on_it if event.what == "message"]
    lab.check("streams that ended badly", sum(1 for event in client.streams if event.code), equal=0)
    lab.check("a stream on it went on after the change for", max(messages, default=changed) - changed,
              at_least=1.5, unit=" s")
    lab.check("the connection is closed at the end", open_until is not None, equal=True)


@case("A4", "a lost connection or a GOAWAY makes the client look again at once, and never too often", quick=True)
def a4(lab):
    pods = lab.pods(range(1, 13))
    lab.publish(pods)
    # At the product's own interval, so that polls don't hide what a loss causes.
    client = lab.client(rate=300, seconds=40, refresh=0)
    waits = []
    for end in (pods[0].kill, pods[1].terminate):
        last = len(lab.wire.queries_of("A"))
        # Well away from the next poll: right after the previous one.
        lab.until(lambda: len(lab.wire.queries_of("A")) > last, 8)
        lab.pause(0.7)
        when = end()
        lab.until(lambda: lab.wire.queries_of("A", since=when), 8)
        found = lab.wire.queries_of("A", since=when)
        waits.append((found[0].time - when) * 1000 if found else None)
    lab.check("look-up after a connection was lost", waits[0], at_most=50, unit=" ms")
    lab.check("look-up after a GOAWAY", waits[1], at_most=50, unit=" ms")
    lab.pause(5)
    for pod in pods[2:10]:
        pod.kill()
        lab.pause(0.1)
    lab.pause(6)
    client.stop()
    times = [query.time for query in lab.wire.queries_of("A")]
    lab.check("most look-ups in any 5 s", busiest_window(times, 5), at_most=5)
    lab.note("look-ups at " + ", ".join(f"{when - times[0]:.2f}" for when in times))


@case("A5", "200 addresses: all of them are used, and stay", limit=90, quick=True)
def a5(lab):
    polls = 5 if lab.quick else 20
    pod = lab.pod_on([f"127.0.3.{number}" for number in range(1, 201)])
    lab.publish([pod])
    client = lab.client(rate=500, seconds=polls * lab.interval * 1.2 + 20)
    lab.until(lambda: len(lab.wire.openings_to()) >= 200, 15)
    lab.pause(1)
    since = time.monotonic()
    lab.until(lambda: len(lab.wire.queries_of("A", since=since)) >= polls, polls * 2)
    calls = client.stop()
    lab.check_no_failures(calls)
    lab.check("pods called", len(shares(between(calls, since))), equal=200)
    lab.check("connections opened during further polls", len(lab.wire.openings_to(since=since)), equal=0)
    lab.check("polls", len(lab.wire.queries_of("A", since=since)), at_least=polls)
    lab.check("look-ups over TCP", len(lab.wire.openings_to(port=53)), at_least=1)
