"""A: discovery."""

import random
import time

from .client import between, busiest_window, causes, failed, first_call, last_call, shares, skew
from .dns import DNSMasq, ScriptedDNS
from .scenario import BOTH, SLACK, case


@case(
    "A1",
    "one name, three pods: a connection to each, and equal shares from the first call on",
    quick=True,
    variants=BOTH,
)
def a1(lab, kind="volery"):
    pods = lab.pods([1, 2, 3], kind)
    lab.publish(pods)
    rate, total = 200, 1600
    calls = lab.client(rate=rate, calls=total).wait(30)
    counts = [shares(calls)[pod.name] for pod in pods]
    lab.check_no_failures(calls)
    firsts = [first_call(calls, pod.name) for pod in pods]
    slowest = max(firsts) - calls[0].due if None not in firsts else None
    lab.check("every pod called within", slowest, at_most=1.0, unit=" s")
    lab.check(
        "most calls that a pod got more or less than 533, of all 1,600",
        max(abs(count - total // 3) for count in counts),
        at_most=2,
        per_second=rate,
        text=" / ".join(str(count) for count in counts),
    )


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
    lab.check(
        "its share of the next 1,000 calls (fair: 16.7 %)",
        100 * shares(rest)[pod] / max(1, len(rest)),
        at_least=100 / 6 - 2,
        at_most=100 / 6 + 2,
        unit=" %",
    )
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
    closed = lab.until(lambda: not lab.network.connections(gone.address), 12)
    calls = client.stop()
    lab.check_no_failures(calls)
    late = last_call(calls, gone.name)
    lab.check(
        "last new call on it, after the DNS change",
        late - changed if late else None,
        at_most=lab.interval + SLACK,
        unit=" s",
    )
    on_it = [event for event in client.streams if event.pod == gone.name]
    messages = [event.time for event in on_it if event.what == "message"]
    lab.check("streams that ended badly", sum(1 for event in client.streams if event.code), equal=0)
    lab.check(
        "a stream on it went on after the change for",
        max(messages, default=changed) - changed,
        at_least=1.5,
        unit=" s",
    )
    last = max((event.time for event in on_it), default=None)
    lab.check(
        "its connection is closed after the last stream's end",
        closed - last if closed and last else None,
        at_most=1.0,
        unit=" s",
    )


@case(
    "A4",
    "a lost connection or a GOAWAY makes the client look again at once, and never too often",
    limit=90,
    quick=True,
)
def a4(lab):
    pods = lab.pods(range(1, 13))
    lab.publish(pods)
    # At the product's own interval, so that polls don't hide what a loss causes.
    client = lab.client(rate=300, seconds=80, refresh=0)

    def calm():
        """Well away from the next poll, which comes 4 to 6 s after the last look-up, and from earlier losses."""
        now = time.monotonic()
        return (
            now - 2 < lab.wire.queries_of("A")[-1].time < now - 1
            and len(lab.wire.queries_of("A", since=now - 5)) <= 2
        )

    def look_up_after(end):
        when = end()
        lab.until(lambda: lab.wire.queries_of("A", since=when), 8)
        found = lab.wire.queries_of("A", since=when)
        return (found[0].time - when) * 1000 if found else None

    for words, end, again in (
        ("a connection was lost", pods[0].kill, pods[1].kill),
        ("a GOAWAY", pods[2].terminate, pods[3].terminate),
    ):
        lab.until(lambda: lab.wire.queries_of("A"), 5)
        lab.until(calm, 20)
        lab.check(f"look-up after {words}", look_up_after(end), at_most=50, unit=" ms")
        if not lab.quick:
            lab.pause(1)
            lab.check(f"look-up after {words} again, a second later", look_up_after(again), at_most=50, unit=" ms")
    lab.pause(5)
    for pod in pods[4:]:
        pod.kill()
        lab.pause(0.1)
    lab.pause(6)
    client.stop()
    times = [query.time for query in lab.wire.queries_of("A")]
    # The limit is counted from when a look-up begins; its packet leaves a little later.
    lab.check("most look-ups in any 5 s", busiest_window(times, 4.95), at_most=5)
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


@case("A6", "AAAA is never answered, or refused", limit=60)
def a6(lab):
    v6 = "fd00::6"
    lab.network.add_address(v6)
    pods = lab.pods([1, 2], delay=0)
    six = lab.pod_on([v6], delay=0)
    now = {"A": ["127.0.1.1"], "AAAA": None}
    ScriptedDNS(lambda name, kind: now.get(kind, []))

    def first_answer(words):
        since = time.monotonic()
        calls = lab.client(rate=10, calls=3).wait(20)
        asked = lab.wire.queries_of("A", since=since)[0].time
        lab.check(
            f"{words}: first answer after the look-up began",
            (calls[0].ended - asked) * 1000 if calls[0].code == 0 else None,
            at_most=300,
            unit=" ms",
        )
        lab.check_no_failures(calls, f" ({words})")

    first_answer("AAAA never answered")
    client = lab.client(rate=200, seconds=40)
    lab.pause(3)
    now["A"] = ["127.0.1.1", "127.0.1.2"]
    changed = time.monotonic()
    lab.until(lambda: first_call(client.calls, pods[1].name), 15)
    first = first_call(client.stop(), pods[1].name)
    lab.check(
        "AAAA never answered: first call on a pod that is added",
        first - changed if first else None,
        at_most=lab.interval + SLACK,
        unit=" s",
    )
    for answer in ("nxdomain", "servfail", []):
        now["AAAA"] = answer
        first_answer(f"AAAA {answer or 'empty'}")
    now.update({"A": None, "AAAA": [v6]})
    first_answer("A never answered, AAAA is")
    lab.note(f"the last was answered by {six.name}")


@case("A7", "IPv4 and IPv6: one pod with both, pods with IPv6 only, literals", limit=60)
def a7(lab):
    sixes = [f"fd00::{number}" for number in range(1, 4)]
    for address in sixes:
        lab.network.add_address(address)
    both = lab.pod_on(["127.0.1.1", sixes[0]])
    lab.publish([both])
    calls = lab.client(rate=100, seconds=3).wait(15)
    lab.check_no_failures(calls, " to one pod with two addresses")
    lab.check("connections to it", len(lab.wire.openings_to()), equal=1)
    others = [lab.pod_on([address]) for address in sixes[1:]]
    lab.publish(sixes)
    calls = lab.client(rate=300, calls=900).wait(15)
    lab.check_no_failures(calls, " to pods with IPv6 only")
    lab.check("pods called", len(shares(calls)), equal=3)
    lab.check("busiest pod over the mean", skew(calls, 3), at_most=1.02)
    local = lab.pod_on(["::1"])
    for target in ("[::1]:50051", "dns:///[::1]:50051", "ipv6:[::1]:50051"):
        lab.check(f"failed calls to {target}", len(failed(lab.client(target, rate=10, calls=3).wait(10))), equal=0)
    lab.note(f"{len(others)} pods with IPv6 only, one on {local.name}")


@case("A8", "the DNS server is dead for a minute", limit=150)
def a8(lab):
    dead_for = 15 if lab.quick else 60
    pods = lab.pods(range(1, 7))
    lab.publish(pods[:5])
    client = lab.client(rate=200, seconds=dead_for + 40)
    lab.pause(2)
    lab.dns.freeze()
    lab.publish(pods)  # It will know when it goes on.
    lab.pause(dead_for)
    lab.dns.thaw()
    back = time.monotonic()
    lab.until(lambda: first_call(client.calls, pods[5].name), 20)
    calls = client.stop()
    lab.check_no_failures(calls)
    first = first_call(calls, pods[5].name)
    lab.check(
        "first call on a pod added meanwhile, after its return",
        first - back if first else None,
        at_most=lab.interval + SLACK,
        unit=" s",
    )


@case("A9", "the name vanishes (scale to zero) and comes back", limit=60, quick=True)
def a9(lab):
    pods = lab.pods(range(1, 4))
    lab.publish(pods)
    client = lab.client(rate=100, seconds=60)
    lab.pause(2)
    gone = lab.publish([])
    lab.pause(4)
    ended = time.monotonic()
    for pod in pods:
        pod.terminate()
    lab.pause(4)
    new = lab.pods([11])[0]
    lab.pause(1)
    back = lab.publish([new])
    lab.until(lambda: first_call(client.calls, new.name), 10)
    lab.pause(1)
    calls = client.stop()
    lab.check(
        "failed calls while the name is gone but the pods live",
        len(failed(between(calls, gone, ended - 0.1))),
        equal=0,
    )
    dark = between(calls, ended + 0.5, back - 0.1)
    lab.check("calls that fail once the pods are gone", len(failed(dark)) == len(dark) > 0, equal=True)
    lab.check("each within", max((call.ended - call.due for call in dark), default=9) * 1000, at_most=100, unit=" ms")
    explained = [
        call
        for call in dark
        if "no addresses" in call.message and "NXDOMAIN" in call.message and " ago" in call.message
    ]
    lab.check(
        "each says that the name has no addresses, why, and since when", len(explained) == len(dark), equal=True
    )
    first = first_call(calls, new.name)
    lab.check(
        "first call after the name is back", first - back if first else None, at_most=lab.interval + SLACK, unit=" s"
    )
    lab.check("failed calls after that", len(failed(between(calls, first or back))), equal=0)
    lab.notes += causes(dark, 1)


@case("A10", "answers that say the same differently, and one that replaces everything", limit=60)
def a10(lab):
    pods = lab.pods(range(1, 11))
    now = [pod.address for pod in pods[:5]]

    def answer(name, kind):
        if kind != "A":
            return []
        mixed = now + random.sample(now, 2)
        random.shuffle(mixed)
        return mixed

    ScriptedDNS(answer)
    client = lab.client(rate=500, seconds=40)
    lab.pause(2)
    since = time.monotonic()
    lab.pause(6)
    lab.check(
        "connections opened by answers in another order and with duplicates",
        len(lab.wire.openings_to(since=since)),
        equal=0,
    )
    now[:] = [pod.address for pod in pods[5:]]
    replaced = time.monotonic()
    lab.pause(4)
    calls = client.stop()
    lab.check_no_failures(calls)
    old = max(last_call(calls, pod.name) for pod in pods[:5])
    new = min((first for first in (first_call(calls, pod.name) for pod in pods[5:]) if first), default=None)
    lab.check(
        "the old pods serve until a new one does: pause between them",
        (new - old) * 1000 if new else None,
        at_most=10,
        unit=" ms",
    )
    lab.check(
        "longest call during the change",
        max(call.ended - call.due for call in between(calls, replaced)) * 1000,
        at_most=100,
        unit=" ms",
    )
    lab.check("pods called at the end", len(shares(between(calls, replaced + 2.5))), equal=5)


@case("A11", "resolv.conf: search, ndots, time-out, its change; a DNS server of one's own", limit=90)
def a11(lab):
    pods = lab.pods(range(1, 5), delay=0)
    lab.publish(pods[:1])
    lab.publish(pods[1:2], "pods.svc.test")

    def look_ups(target, text, name):
        lab.network.set_resolv(text)
        since = time.monotonic()
        calls = lab.client(target, rate=20, seconds=4).wait(15)
        lab.check_no_failures(calls, f" to {target}")
        asked = {
            kind: [query.name for query in lab.wire.queries if query.type == kind and query.time >= since]
            for kind in ("A", "AAAA")
        }
        return calls, asked, len([each for each in asked["A"] if each == name])

    search = "nameserver 127.0.0.1\nsearch svc.test other.test\noptions ndots:5\n"
    for target, text, words in (
        ("dns:///pods.test.:50051", search, "with a dot at its end"),
        ("dns:///pods.test:50051", search.replace("ndots:5", "ndots:1"), "with enough dots"),
    ):
        _, asked, polls = look_ups(target, text, "pods.test")
        lab.check(f"a name {words}: A questions a poll", len(asked["A"]) / max(1, polls), equal=1.0)
        lab.check(f"a name {words}: AAAA questions a poll", len(asked["AAAA"]) / max(1, polls), equal=1.0)
    calls, _, _ = look_ups("dns:///pods:50051", search, "pods.svc.test")
    lab.check("a short name is found by the search list", list(shares(calls)), equal=[pods[1].name])

    other = DNSMasq(lab.folder, "127.0.0.2")
    other.publish([pods[2].address])
    lab.network.set_resolv("nameserver 127.0.0.1\n")
    client = lab.client(rate=100, seconds=30)
    lab.pause(2)
    lab.network.set_resolv("nameserver 127.0.0.2\n")
    changed = time.monotonic()
    lab.until(lambda: first_call(client.calls, pods[2].name), 10)
    calls = client.stop()
    lab.check_no_failures(calls, " while resolv.conf changes")
    first = first_call(calls, pods[2].name)
    lab.check(
        "a changed resolv.conf counts after",
        first - changed if first else None,
        at_most=lab.interval + SLACK,
        unit=" s",
    )

    lab.network.open_hole("127.0.0.9")
    lab.network.set_resolv("nameserver 127.0.0.9\nnameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
    started = time.monotonic()
    calls = lab.client(rate=20, calls=3, timeout=8000).wait(20)
    lab.check(
        "first answer with a dead first name server and timeout:1",
        calls[0].ended - started if calls[0].code == 0 else None,
        at_most=1.5,
        unit=" s",
    )

    lab.network.set_resolv("nameserver 127.0.0.9\n")
    own = DNSMasq(lab.folder, "127.0.0.3", 5353)
    own.publish([pods[3].address])
    calls = lab.client("dns://127.0.0.3:5353/pods.test:50051", rate=20, calls=10).wait(15)
    lab.check("a DNS server in the target is asked", list(shares(calls)), equal=[pods[3].name])


@case("A14", "channels of one process share one resolver", limit=60)
def a14(lab):
    pods = lab.pods([1, 2])
    lab.publish(pods)
    counts = []
    for channels in (1, 5):
        since = time.monotonic()
        lab.client(rate=50, seconds=6, channels=channels).wait(20)
        counts.append(len(lab.wire.queries_of("A", since=since)))
    lab.check("look-ups of 5 channels, beside those of one", counts[1], at_most=counts[0] + 2)
    lab.note(f"1 channel {counts[0]}, 5 channels {counts[1]} look-ups in 6 s")
