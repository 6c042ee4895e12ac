"""X: bad input, from DNS and from servers."""

import time

from . import hostile
from .client import causes, failed, first_call
from .dns import ScriptedDNS
from .scenario import SLACK, case


@case("X1", "DNS answers that are bad: truncated, empty, poisoned, never", limit=150)
def x1(lab):
    pods = lab.pods(range(1, 4))
    now = {"answer": [pods[0].address]}
    ScriptedDNS(lambda name, kind: now["answer"] if kind == "A" or isinstance(now["answer"], str) else [])
    for bad in ("truncated", "garbage", "wrong-type", "servfail", "nxdomain", "empty", "never"):
        answer = [] if bad == "empty" else None if bad == "never" else bad
        now["answer"] = [pods[0].address]
        client = lab.client(rate=100, seconds=40)
        lab.pause(1.5)
        now["answer"] = answer
        lab.pause(3)
        now["answer"] = [pods[0].address, pods[1].address]
        changed = time.monotonic()
        lab.until(lambda: first_call(client.calls, pods[1].name), 12)
        calls = client.stop()
        lab.check(f"{bad}: failed calls of a channel that had an answer", len(failed(calls)), equal=0)
        first = first_call(calls, pods[1].name)
        lab.check(
            f"{bad}: a new pod's first call once the answers are good",
            first - changed if first else None,
            at_most=lab.interval + SLACK,
            unit=" s",
        )
        now["answer"] = answer
        client = lab.client(rate=20, seconds=40, timeout=1000)
        lab.pause(2.5)
        now["answer"] = [pods[2].address]
        changed = time.monotonic()
        lab.until(lambda: first_call(client.calls, pods[2].name), 12)
        calls = client.stop()
        first = min((call.ended for call in calls if call.pod == pods[2].name), default=None)
        lab.check(
            f"{bad} from the start: first answer once the answers are good",
            first - changed if first else None,
            at_most=2.25,
            unit=" s",
        )
        lab.notes += [f"{bad}: {text}" for text in causes(calls, 1)]


@case("X2", "one of five pods misbehaves on the wire, then is replaced by a good one", limit=180)
def x2(lab):
    place = "127.0.1.9"
    pods = lab.pods(range(1, 5))
    lab.publish(pods + [place])
    for words, (says, then) in hostile.MISBEHAVIOURS.items():
        server = hostile.Scripted(place, says, then)
        client = lab.client(rate=500, seconds=40)
        lab.pause(4)
        accepted = server.accepted
        server.close()
        good = lab.pods([9])[0]
        lab.until(lambda: first_call(client.calls, good.name), 15)
        calls = client.stop()
        good.kill()
        good.wait_exit(5)
        settings = words == "sends SETTINGS and then nothing"
        lab.check(f"{words}: failed calls", len(failed(calls)), at_most=25 if settings else 0)
        lab.check(f"{words}: connections to it in 4 s", accepted, at_least=1, at_most=8)
        first = first_call(calls, good.name)
        lab.check(
            f"{words}: the good pod in its place is called after",
            first - good.listening if first else None,
            at_most=6,
            unit=" s",
        )
        lab.notes += [f"{words}: {text}" for text in causes(calls, 1)]
