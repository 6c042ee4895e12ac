"""B: balancing."""

import json
import time
from collections import Counter

from .client import between, busiest_window, causes, failed, first_call, percentile, shares, skew
from .scenario import BOTH, case


@case("B1", "equal pods get equal shares from the first call on", limit=100, quick=True, variants=BOTH)
def b1(lab, kind="volery"):
    pods = lab.pods(range(1, 6), kind)
    lab.publish(pods)
    for rate, bar in ((500, 1.02), (20, 1.01)):
        if lab.quick and rate == 20:
            rate = 100  # Ten seconds instead of fifty.
        calls = lab.client(rate=rate, calls=1000).wait(80)
        lab.check_no_failures(calls, f" at {rate} calls/s")
        # Calls that are late by a second weigh as so many of the mean's 200.
        lab.check(
            f"busiest pod over the mean, of all 1,000 calls at {rate} calls/s",
            skew(calls, 5),
            at_most=bar,
            per_second=rate / 200,
        )
        lab.note(f"at {rate}/s: " + " / ".join(str(shares(calls)[pod.name]) for pod in pods))


@case("B2", "ten clients that start together spread over the pods", quick=True)
def b2(lab):
    pods = lab.pods(range(1, 6))
    lab.publish(pods)
    worst = []
    for number in range(2 if lab.quick else 5):
        clients = [lab.client(rate=53, calls=53) for _ in range(10)]
        calls = [call for client in clients for call in client.wait(20)]
        lab.check_no_failures(calls, f" in round {number + 1}")
        worst.append(skew(calls, 5))
    lab.check("busiest pod over the mean, worst of the rounds", max(worst), at_most=1.05)


@case("B3", "one pod is ten times slower, each answer takes exactly 10 or 100 ms", quick=True)
def b3(lab):
    slow_pod(lab, exponential=False)


@case("B3", "one pod is ten times slower, times are exponentially distributed", quick=True, part="exponential")
def b3_exponential(lab):
    slow_pod(lab, exponential=True)


def slow_pod(lab, exponential):
    pods = lab.pods(range(1, 6), exponential=exponential)
    lab.publish(pods)
    client = lab.client(rate=500, seconds=40)
    lab.pause(6)
    slowed = pods[0].say("delay 100")
    lab.pause(10)
    quick = pods[0].say("delay 10")
    lab.until(lambda: returned(client.calls, pods[0].name, quick), 15)
    calls = client.stop()
    lab.check_no_failures(calls)
    healthy = percentile(between(calls, slowed - 5, slowed), 0.99)
    after = between(calls, slowed + 2, quick)
    lab.check("share of the slow pod after 2 s", 100 * shares(after)[pods[0].name] / len(after), at_most=1, unit=" %")
    lab.check("p99 of all calls after 2 s over the healthy p99", percentile(after, 0.99) / healthy, at_most=2)
    lab.check("has its share again", returned(calls, pods[0].name, quick), at_most=10, unit=" s")
    first = shares(between(calls, slowed, slowed + 2))[pods[0].name]
    lab.note(
        f"p99: healthy {healthy:.1f} ms, with the slow pod {percentile(after, 0.99):.1f} ms; calls to it: "
        f"{first} in the first 2 s, {shares(after)[pods[0].name]} in the next {quick - slowed - 2:.0f} s"
    )


def returned(calls, name, since):
    """How long after this one of five pods has three quarters of its fair share for half a second; None: not yet."""
    last = max((call.due for call in calls), default=since)
    step = 0
    while since + step + 0.5 <= last:
        window = between(calls, since + step, since + step + 0.5)
        if window and shares(window)[name] >= 0.15 * len(window):
            return step
        step += 0.5
    return None


@case("B3", "methods of 1 ms and of 1 s, clients with many and with few calls: no pod is taken for slow", limit=90, part="mixed")
def b3_mixed(lab):
    pods = lab.pods(range(1, 6), exponential=True)
    for pod in pods:
        pod.say("delay 1")
        pod.say("read-delay 1000")
    lab.publish(pods)
    seconds = 12 if lab.quick else 40
    # Every 47th call takes a second (not each time on the same of five pods); of the small clients' calls, too.
    flags = [{"rate": 400}] + [{"rate": rate} for rate in (3, 5, 8, 13, 21)]
    clients = [
        lab.client(seconds=seconds, read_each=47, timeout=20_000, metrics=f"{lab.folder}/metrics-{number}", **flag)
        for number, flag in enumerate(flags)
    ]
    calls = [client.wait(seconds + 40) for client in clients]
    lab.check_no_failures([call for each in calls for call in each])
    ejections = sum(
        sum(int(float(value)) for value in ejected(f"{lab.folder}/metrics-{number}")) for number in range(len(flags))
    )
    lab.check("pods taken for slow or failing, by all clients", ejections, equal=0)
    # From second to second the pods with fewer of the long calls get more of the short ones, up to twice the mean: over 40 s
    # that leaves a tenth (one standard deviation). A pod that is ejected for ten seconds makes much more of it.
    lab.check("busiest pod over the mean, of the big client's calls", skew(calls[0], 5), at_most=1.4)
    short = [call for call in calls[0] if call.ended - call.due < 0.5]
    lab.note(f"p99 of the calls that take less than half a second: {percentile(short, 0.99):.1f} ms")


def ejected(path):
    """The values of the metric that counts ejections, in Prometheus' text format."""
    with open(path) as file:
        return [line.split()[-1] for line in file if "eject" in line.split("{")[0] and not line.startswith("#")]


@case("B14", "two pods of different capacity, weighted_round_robin by reports that come with calls", limit=60, quick=True)
def b14(lab):
    capacities(lab, {})


@case("B14", "the same by reports that come by themselves", limit=60, part="oob")
def b14_oob(lab):
    capacities(lab, {"enableOobLoadReport": True, "oobReportingPeriod": "0.5s"})


def capacities(lab, more):
    """2 and 8 calls of 20 ms at once: 100 and 400 calls/s at the most. Equal shares of 220 calls/s are too many for the one."""
    small = lab.pods([1], slots=2, delay=20, exponential=True)[0]
    large = lab.pods([2], slots=8, delay=20, exponential=True)[0]
    lab.publish([small, large])
    configuration = {"blackoutPeriod": "1s", "weightUpdatePeriod": "0.2s", **more}
    policies = [{"weighted_round_robin": configuration}]
    client = lab.client(rate=220, seconds=40, service_config=json.dumps({"loadBalancingConfig": policies}))
    lab.pause(4)
    settled = time.monotonic()
    lab.pause(6)
    calls = client.stop()
    lab.check_no_failures(calls)
    after = between(calls, settled)
    share = 100 * shares(after)[small.name] / max(1, len(after))
    lab.check("share of the small pod after 4 s, 20 % by its capacity", share, at_least=14, at_most=26, unit=" %")
    lab.check("p95 after 4 s", percentile(after, 0.95), at_most=120, unit=" ms")
    lab.note(f"p99 after 4 s {percentile(after, 0.99):.1f} ms, of the first 2 s {percentile(between(calls, 0, calls[0].due + 2), 0.99):.1f} ms")


@case("B4", "one pod is frozen and stays in DNS", limit=120, quick=True, variants=BOTH)
def b4(lab, kind="volery"):
    frozen_for = 10 if lab.quick else 60
    pods = lab.pods(range(1, 6), kind)
    lab.publish(pods)
    client = lab.client(rate=500, seconds=frozen_for + 40)
    lab.pause(3)
    frozen = pods[0].freeze()
    lab.pause(frozen_for)
    thawed = pods[0].thaw()
    lab.until(lambda: first_call(client.calls, pods[0].name, since=thawed), 12)
    lab.pause(5)
    calls = client.stop()
    before = failed(between(calls, frozen - 1, thawed))
    lab.check("failed calls of the first 3 s", len(between(before, 0, frozen + 3)), at_most=25)
    lab.check("failed calls between 3 and 5 s", len(between(before, frozen + 3, frozen + 5)), at_most=5)
    lab.check("failed calls after 5 s", len(between(before, frozen + 5)), equal=0)
    lab.check("failed calls after it went on", len(failed(between(calls, thawed))), equal=0)
    back = first_call(calls, pods[0].name, since=thawed)
    lab.check("called again after it went on", back - thawed if back else None, at_most=10, unit=" s")
    rest = between(calls, back or thawed, (back or thawed) + 4)
    lab.check(
        "its share of the 4 s from then on, over the fair share",
        5 * shares(rest)[pods[0].name] / len(rest),
        at_most=1.02,
    )
    lab.notes += causes(between(calls, frozen))
    lab.draw(calls, "One of five pods is frozen (SIGSTOP), then goes on", [(frozen, "frozen"), (thawed, "goes on")])


@case("B5", "one pod fails every call at once: it attracts no load", quick=True)
def b5(lab):
    pods = lab.pods(range(1, 6))
    lab.publish(pods)

    def attempts():
        return [pod.counts()[0] for pod in pods]

    for code, word, seconds in ((14, "UNAVAILABLE", 6), (8, "RESOURCE_EXHAUSTED", 6)):
        client = lab.client(rate=500, seconds=40, method="read")
        lab.pause(2)
        began = pods[0].say(f"fail {code}")
        lab.pause(2)
        before = attempts()
        lab.pause(seconds - 2)
        after = attempts()
        calls = client.stop()
        pods[0].say("fail 0")
        spent = [right - left for left, right in zip(before, after)]
        lab.check(
            f"{word}: share of all attempts after 2 s", 100 * spent[0] / max(1, sum(spent)), at_most=5, unit=" %"
        )
        if code == 14:
            lab.check_no_failures(between(calls, began), " (retried)")
    client = lab.client(rate=500, seconds=40, method="read")
    lab.pause(1)
    for pod in pods[:3]:
        pod.say("fail 14")
    lab.pause(2)
    before = attempts()
    lab.pause(4)
    spent = [right - left for left, right in zip(before, attempts())]
    calls = client.stop()
    fair = sum(spent) / 5
    lab.check(
        "three of five fail: pods that get less than a quarter of the fair share",
        sum(1 for count in spent if count < fair / 4),
        at_most=2,
    )
    lab.note(f"three of five fail: attempts in 4 s {spent}, {len(failed(calls))} of {len(calls)} calls failed")


@case("B6", "one pod fails every call: ejected, probed, taken back", limit=90, quick=True)
def b6(lab):
    pods = lab.pods(range(1, 6))
    lab.publish(pods)
    client = lab.client(rate=500, seconds=80)
    lab.pause(2)
    failing = pods[0].say("fail 13")
    lab.pause(9)
    healed = pods[0].say("fail 0")
    lab.until(lambda: first_call(client.calls, pods[0].name, since=healed), 35)
    lab.pause(3)
    calls = client.stop()
    bad = failed(between(calls, failing))
    times = [call.due for call in bad]
    settled = next(
        (when for when in [failing] + times if busiest_window([t for t in times if t > when], 0.5) <= 1), None
    )
    lab.check("ejected after", settled - failing if settled else None, at_most=2, unit=" s")
    probes = [when for when in times if settled is not None and when > settled]
    lab.check("probes in any half second", busiest_window(probes, 0.5) if probes else 0, at_most=1)
    lab.check("probes in 9 s", len(probes), at_least=1, at_most=6)
    back = first_call(calls, pods[0].name, since=healed)
    lab.check("failed calls", len(bad), at_most=25)
    rest = between(calls, (back or healed) + 0.2, (back or healed) + 2.2)
    lab.check(
        "its share after the first answer, over the fair share",
        5 * shares(rest)[pods[0].name] / max(1, len(rest)),
        at_least=0.8,
        at_most=1.2,
    )
    lab.note(f"taken back {back - healed:.1f} s after it was well again" if back else "never taken back")


@case("B8", "the policy is changed under load", limit=60, quick=True)
def b8(lab):
    pods = lab.pods(range(1, 6))
    lab.publish(pods)
    client = lab.client(rate=500, seconds=40, reconfigurable=True)
    lab.pause(2)
    used = []
    for policy in ("round_robin", "pick_first", "least_request", "random", "rr_least_request"):
        changed = client.say('config {"loadBalancingConfig":[{"%s":{}}]}' % policy)
        lab.pause(2)
        used.append((policy, len(shares(between(client.calls, changed + 0.5)))))
    client.say('config {"loadBalancingConfig":"nonsense"}')
    lab.pause(1)
    calls = client.stop()
    lab.check_no_failures(calls)
    lab.check("pods called with pick_first", dict(used)["pick_first"], equal=1)
    lab.check("pods called with the others", min(count for policy, count in used if policy != "pick_first"), equal=5)


@case("B13", "a connection is full (MAX_CONCURRENT_STREAMS)", limit=60)
def b13(lab):
    figures = []
    for address, streams in ((1, 1000), (2, 20)):
        pod = lab.pods([address], delay=100, streams=streams)[0]
        lab.publish([pod])
        since = time.monotonic()
        calls = lab.client(rate=400, seconds=6).wait(20)
        lab.check_no_failures(calls, f" with {streams} calls at once on a connection")
        figures.append((calls, len(lab.wire.openings_to(since=since, address=pod.address))))
    wide, narrow = (percentile(between(calls, calls[0].due + 1), 0.99) for calls, _ in figures)
    lab.check("added to the p99 when 40 calls run and 20 fit on a connection", narrow - wide, at_most=5, unit=" ms")
    lab.check("connections", figures[1][1], at_least=2, at_most=4)
    pods = lab.pods([3, 4], delay=100, streams=30)
    lab.publish(pods)
    calls = lab.client(rate=400, seconds=6).wait(20)
    lab.check_no_failures(calls, " with two pods of 30")
    lab.check(
        "added to the p99 with two pods of 30",
        percentile(between(calls, calls[0].due + 1), 0.99) - wide,
        at_most=5,
        unit=" ms",
    )


@case("B12", "every new stream is a pick: a hundred of them", quick=True, variants=BOTH)
def b12(lab, kind="volery"):
    pods = lab.pods(range(1, 6), kind)
    lab.publish(pods)
    # The channel is ready before the first stream is opened: the laboratory's client waits 300 ms for that.
    client = lab.client(rate=20, seconds=40, streams=100)
    lab.until(lambda: sum(event.what == "opened" for event in client.streams) >= 100, 20)
    opened = Counter(event.pod for event in client.streams if event.what == "opened")
    lab.check_no_failures(client.stop())
    counts = [opened[pod.name] for pod in pods]
    lab.check(
        "most streams that a pod got more or less than 20, of 100",
        max(abs(count - 20) for count in counts),
        at_most=1,
        text=" / ".join(str(count) for count in counts),
    )
    lab.check("streams that ended badly", sum(1 for event in client.streams if event.code), equal=0)
