"""D: failure detection and start."""

import time

from .client import answered, between, busiest_window, causes, failed, first_call, percentile, shares
from .scenario import case

BOTH = ("", "grpcio")


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
    lab.check("the first attempt is given up after", lengths[0] if lengths else None, at_least=0.9, at_most=1.1, unit=" s")
    lab.check("the longest attempt", max(lengths, default=None), at_most=20.2, unit=" s")
    lab.check("p99 of all calls", percentile(calls, 0.99), at_most=50, unit=" ms")
    lab.note("attempts: " + ", ".join(f"{length:.1f} s" for length in lengths))
    started = time.monotonic()
    calls = lab.client(f"static:{hole}:50051,{pods[0].address}:50051", policy="pick_first", rate=10, calls=3).wait(20)
    lab.check("pick_first past an address that never answers: first call", (calls[0].ended - started) * 1000
              if calls and calls[0].code == 0 else None, at_most=250 + 150, unit=" ms")


@case("D3", "the pods are not there yet when the client starts", limit=60, quick=True)
def d3(lab):
    lab.publish([])
    fast = lab.client(rate=20, seconds=40)
    patient = lab.client(rate=20, seconds=40, wait_for_ready=True, timeout=10000)
    lab.pause(4)
    lab.publish(["127.0.1.1"])
    lab.pause(2)
    pod = lab.pods([1])[0]
    ready = pod.listening
    lab.pause(4)
    calls, waited = fast.stop(), patient.stop()
    early = failed(between(calls, 0, ready - 2.1))
    lab.check("calls fail at once without a name", max((c.ended - c.due for c in early), default=0) * 1000,
              at_most=100, unit=" ms")
    lab.check("and name the target and the cause",
              sum(1 for c in early if "pods.test" in c.message and "NXDOMAIN" in c.message) == len(early) > 0, equal=True)
    late = failed(between(calls, ready - 1.0, ready))
    lab.check("calls fail at once while the address refuses", max((c.ended - c.due for c in late), default=9) * 1000,
              at_most=100, unit=" ms")
    lab.check("and name the address and the cause",
              sum(1 for c in late if "127.0.1.1" in c.message and "refused" in c.message) == len(late) > 0, equal=True)
    lab.check("failed calls that wait for a connection", len(failed(waited)), equal=0)
    first = min((c.ended for c in answered(calls)), default=None)
    lab.check("first answer after the pod listens", first - ready if first else None, at_most=1.25, unit=" s")
    first = min((c.ended for c in answered(waited)), default=None)
    lab.check("the same for calls that wait", first - ready if first else None, at_most=1.25, unit=" s")
    lab.notes += [call.message[:400] for call in early[-1:] + late[-1:]]


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
    lab.check("most of them in any 100 ms", 100 * busiest_window(opened, 0.1) / max(1, len(opened)), at_most=25, unit=" %")
    lab.check("failed calls", len(failed(calls)), at_most=20)
    lab.note(f"within {max(opened) - killed:.2f} s" if opened else "none")
