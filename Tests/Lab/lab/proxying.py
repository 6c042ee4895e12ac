"""E: the proxy between clients and pods (1-M-N), and C9, its rolling restart."""

import os
import threading
import time

from . import http2
from .change import worst_share
from .client import between, latest_first, shares
from .hostile import HostileServer
from .http2 import DATA, HEADERS, RST_STREAM, SETTINGS, frame, literal, message
from .pods import PORT
from .proxies import PROXY_PORT
from .scenario import SLACK, case
from .watching import kilobytes

THROUGH = f"dns:///proxies.test:{PROXY_PORT}"
ECHO = "/volery.lab.Bytes/Unary"
CANCEL = 8


class Growth:
    """By how much a process has grown at most since this began, looked at every 20 ms."""

    def __init__(self, pid):
        self._pid, self._first = pid, kilobytes(pid)
        self.most, self._is_over = 0, False
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while not self._is_over:
            self.most = max(self.most, kilobytes(self._pid) - self._first)
            time.sleep(0.02)

    def end(self):
        self._is_over = True
        self.most = max(self.most, kilobytes(self._pid) - self._first)
        return self.most / 1024


@case("E1", "a hundred clients' connections through one proxy, all kinds of calls, 1 GiB each way", limit=120, quick=True)
def e1(lab):
    pods = lab.pods(range(1, 6))
    lab.publish(pods)
    proxy = lab.proxies([1])[0]
    done = lab.bytes("kinds", proxy.name, channels=100, calls=2 if lab.quick else 10)
    lab.check("failed calls, of all four kinds", done["failed"], equal=0, text=f"{done['failed']} of {done['calls']:,}")
    lab.check("clients' connections to the proxy", len(lab.wire.openings_to(PROXY_PORT)), equal=100)
    # One for each of its loops, of which each core has one.
    lab.check("its connections to five pods", len(lab.wire.openings_to()), at_most=5 * os.cpu_count())
    size = 64 if lab.quick else 1024
    growth = Growth(proxy.pid)
    found = lab.bytes("flood", proxy.name, megabytes=size)
    lab.check("messages of 1 MiB that came back on one stream", found["megabytes"], equal=size)
    lab.check("memory that the proxy grew by meanwhile", growth.end(), at_most=16, unit=" MiB")


class Speaker(HostileServer):
    """Speaks gRPC by a script: says `answer` of a stream to each call whose request is complete, or to its first bytes. What it hears
    is kept with the time."""

    def __init__(self, address, answer=None, at_once=False):
        self.answer, self.at_once = answer or (lambda stream: b""), at_once
        self.heard = []
        super().__init__(address)

    def serve(self, connection):
        http2.expect_preface(connection)
        connection.sendall(frame(SETTINGS))
        frames = http2.Frames(connection)
        while True:
            found = frames.next(30)
            if found is None:
                continue
            kind, flags, stream, body = found
            self.heard.append((time.monotonic(), kind, stream, body))
            if kind == SETTINGS and not flags & 1:
                connection.sendall(frame(SETTINGS, 1))
            elif kind == http2.PING and not flags & 1:
                connection.sendall(frame(http2.PING, 1, 0, body))
            elif kind == HEADERS and self.at_once or kind == DATA and flags & 1 and not self.at_once:
                connection.sendall(self.answer(stream))

    def wait(self, kind, since=0, limit=3):
        """The first frame of that kind after so many that were heard."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            for found in self.heard[since:]:
                if found[1] == kind:
                    return found
            time.sleep(0.001)
        return None


FIRST = b"\x88" + literal("content-type", "application/grpc")
DONE = literal("grpc-status", "0")
ANSWERS = {
    "trailers only": lambda stream: frame(HEADERS, 5, stream, FIRST + literal("grpc-status", "5") + literal("grpc-message", "no")),
    "headers and trailers, no message": lambda stream: frame(HEADERS, 4, stream, FIRST) + frame(HEADERS, 5, stream, DONE),
    "headers, a message, trailers": lambda stream: (
        frame(HEADERS, 4, stream, FIRST) + frame(DATA, 0, stream, message(b"abc")) + frame(HEADERS, 5, stream, DONE)
    ),
    "headers, a message, a failure": lambda stream: (
        frame(HEADERS, 4, stream, FIRST)
        + frame(DATA, 0, stream, message(b"abc"))
        + frame(HEADERS, 5, stream, literal("grpc-status", "13"))
    ),
}


def trace(address, port):
    """What a client sees of a call: of each frame its kind, whether it ends the stream, and the bytes of a message."""
    connection = http2.Connection(address, port)
    stream = connection.call(ECHO, b"x", end=True)
    seen = []
    while not (seen and (seen[-1][1] or seen[-1][0] == RST_STREAM)):
        found = connection.wait_any((HEADERS, DATA, RST_STREAM), stream, 5)
        if found is None:
            break
        seen.append((found[0], bool(found[1] & 1), found[3] if found[0] == DATA else b""))
    connection.close()
    return seen


@case("E2", "what a proxy makes of responses: the same frames, the same metadata", quick=True)
def e2(lab):
    server = Speaker("127.0.1.9")
    proxy = lab.proxies([1], target=f"ipv4:127.0.1.9:{PORT}")[0]
    for words, answer in ANSWERS.items():
        server.answer = answer
        direct, through = trace("127.0.1.9", PORT), trace(proxy.address, PROXY_PORT)
        lab.check(f"{words}: frames, and which of them ends the stream, as without a proxy", through == direct, equal=True)
        lab.check(f"{words}: frames", len(through), equal=len(direct))
    pods = lab.pods([1])
    lab.publish(pods)
    found = lab.bytes("reflect", lab.proxies([2])[0].name)
    lab.check("binary metadata there and back, byte for byte", found["binary"], equal=True)
    lab.check("8 KiB of metadata there, and back in the trailers, byte for byte", found["text"], equal=True)


@case("E3", "who gives a call up is heard at the other side, with the same code", quick=True)
def e3(lab):
    trials = 5 if lab.quick else 20
    server = Speaker("127.0.1.9", at_once=True)
    proxy = lab.proxies([1], target=f"ipv4:127.0.1.9:{PORT}")[0]
    waits, codes = [], set()
    client = http2.Connection(proxy.address, PROXY_PORT)
    for how in ["cancels"] * trials + ["is gone"]:
        since = len(server.heard)
        stream = client.call(ECHO, b"x")
        if not server.wait(DATA, since):
            raise RuntimeError("the call has not come to the server")
        if how == "cancels":
            client.reset(stream, CANCEL)
        else:
            client.close()
        sent = time.monotonic()
        found = server.wait(RST_STREAM, since)
        waits.append(found and found[0] - sent)
        codes.add(found and int.from_bytes(found[3], "big"))
    worst = None if None in waits else max(waits)
    lab.check(f"a client's cancel at the server, the latest of {len(waits)}", worst, at_most=0.05, unit=" s")
    lab.check("codes that the server hears", sorted(codes, key=str), equal=[CANCEL])
    seen = {}
    for code in (1, 2, CANCEL, 11):
        server.answer = lambda stream, code=code: (
            frame(HEADERS, 4, stream, FIRST) + frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))
        )
        client = http2.Connection(proxy.address, PROXY_PORT)
        found = client.wait_reset(client.call(ECHO, b"x"), 3)
        seen[code] = found
        client.close()
    lab.check("codes that a client hears, by those that the server says", seen, equal={code: code for code in seen})


@case("E4", "a call's deadline at the proxy: what is left of it goes on, and its end is an end at both sides", quick=True)
def e4(lab):
    trials = 5 if lab.quick else 20
    server = Speaker("127.0.1.9", at_once=True)
    proxy = lab.proxies([1], target=f"ipv4:127.0.1.9:{PORT}")[0]
    client = http2.Connection(proxy.address, PROXY_PORT, many=True)
    late, ends = [], 0
    for _ in range(trials):
        since = len(server.heard)
        sent = time.monotonic()
        stream = client.call(ECHO, b"x", more=literal("grpc-timeout", "200m"))
        found = server.wait(RST_STREAM, since)
        late.append(found and found[0] - sent - 0.2)
        ends += client.wait_end(stream, 3) == "other"
    worst = None if None in late else max(late)
    lab.check(f"the server hears of the end after it, the latest of {trials}", worst, at_most=0.05, unit=" s")
    lab.check("calls whose client got a status that is not OK", ends, equal=trials)
    early = [wait for wait in late if wait is not None and wait < -0.001]
    lab.check("calls that were ended before their time", len(early), equal=0)
    # The name is not resolved for a second: the call waits at the proxy.
    pods = lab.pods([1])
    lab.publish(pods)
    lab.dns.freeze()
    waiting = lab.proxies([2])[0]
    process = lab.start_bytes("reflect", waiting.name, timeout=3000)
    lab.until(lambda: lab.wire.openings_to(PROXY_PORT, address=waiting.address), 5)
    lab.pause(1)
    lab.dns.thaw()
    left = int(lab.finish_bytes(process)["left"]) / 1000
    lab.check("left at the server of 3 s, after 1 s at the proxy", left, at_least=0.1, at_most=2, unit=" s")


def exchange(connection, count):
    """So many calls, one after the other; how long each took, in seconds."""
    taken = []
    for _ in range(count):
        began = time.monotonic()
        stream = connection.call(ECHO, b"0123456789abcdef", end=True)
        if connection.wait_end(stream, 5) != "0":
            raise RuntimeError("a call has failed")
        taken.append(time.monotonic() - began)
    return taken


def batches(connections, count, size=32):
    """So many times `size` calls at once on each of the connections."""
    for _ in range(count):
        for connection in connections:
            connection.call_many(ECHO, b"0123456789abcdef", size)
        for connection in connections:
            connection.wait_ends(size, 10)


def cpu(pid):
    """Seconds of CPU of all the process's threads (CLOCK_PROCESS_CPUTIME_ID)."""
    return time.clock_gettime((~pid << 3) | 2)


@case("E5", "what a call takes longer through a proxy, and what it costs beside the call itself", quick=True)
def e5(lab):
    pod = lab.pods([1])[0]
    proxy = lab.proxies([1], target=f"ipv4:{pod.name}")[0]
    ways = {"direct": (pod.address, PORT), "through": (proxy.address, PROXY_PORT)}
    connections = {name: http2.Connection(*way, many=True) for name, way in ways.items()}
    taken = {name: [] for name in ways}
    for connection in connections.values():
        exchange(connection, 50)
    for _ in range(5 if lab.quick else 25):
        for name, connection in connections.items():
            taken[name] += exchange(connection, 200)

    def of(name, share):
        times = sorted(taken[name])
        return times[int(len(times) * share)] * 1000

    added = {share: of("through", share) - of("direct", share) for share in (0.5, 0.99)}
    words = "added to a call, one at a time"
    lab.check(f"{words}: median", added[0.5], at_most=0.15, unit=" ms")
    lab.check(f"{words}: 99th percentile", added[0.99], at_most=1, unit=" ms")
    lab.note(", ".join(f"{name} {of(name, 0.5) * 1000:.0f} us" for name in ways))
    if lab.quick:
        # What follows depends on how the machine cuts the batches up (each piece wakes the proxy, which has twice as many ends):
        # 1.97 on a quiet machine of two cores, 3.7 beside other cases on another. `make bench-budget` has a row of a forwarded call
        # and decides by instructions.
        return
    spent = {}
    for name, process in (("direct", pod), ("through", proxy)):
        several = [http2.Connection(*ways[name], many=True) for _ in range(8)]
        batches(several, 2)
        before = cpu(process.pid)
        batches(several, 50)
        spent[name] = (cpu(process.pid) - before) / (50 * 8 * 32) * 1e6
    # 60 % of the calls that a core answers.
    ratio = spent["through"] / spent["direct"]
    lab.check("CPU of a call at the proxy, over that at a server which answers it", ratio, at_most=1.67)
    lab.note(f"CPU of a call: pod {spent['direct']:.1f} us, proxy {spent['through']:.1f} us")


@case("E6", "pods are added and restarted behind two proxies", limit=200)
def e6(lab):
    trials = 2 if lab.quick else 10
    interval = lab.proxy_interval
    pods = lab.pods(range(1, 6))
    spares = lab.pod_on([f"127.0.1.{30 + number}" for number in range(trials)])
    published = [(lab.publish(pods), [pod.name for pod in pods])]
    proxies = lab.proxies([1, 2])
    lab.publish(proxies, "proxies.test")
    client = lab.client(THROUGH, rate=500, seconds=150)
    lab.pause(2)
    added = []
    for address in spares.addresses:
        added.append((f"{address}:{PORT}", lab.publish(pods + [address])))
        published.append((added[-1][1], [pod.name for pod in pods] + [added[-1][0]]))
        lab.pause(interval + 1)
    last, since = added[-1][0], time.monotonic()
    lab.pause(2.5)
    share = between(client.calls, since)[:1000]
    restarted = []
    published.append((lab.publish(pods), [pod.name for pod in pods]))
    for index in range(2 if lab.quick else 5):
        new = lab.pods([11 + index])[0]
        old, pods = pods[0], pods[1:] + [new]
        old.terminate()
        restarted.append((new.name, lab.publish(pods)))
        published.append((restarted[-1][1], [pod.name for pod in pods]))
        lab.pause(interval + 1)
    calls = client.stop()
    lab.check_no_failures(calls)
    for words, changes in (("pod that was added", added), ("pod that replaces another", restarted)):
        worst = latest_first(calls, changes)
        lab.check(f"first call on a {words}, the latest of {len(changes)}", worst, at_most=interval + SLACK, unit=" s")
    lab.check(
        "the last one's share of 1,000 calls (fair: 16.7 %)",
        100 * shares(share)[last] / max(1, len(share)),
        at_least=100 / 6 - 2,
        at_most=100 / 6 + 2,
        unit=" %",
    )
    lab.check("busiest pod of any 2 s, over the fair share", worst_share(calls, published), at_most=1.5)


@case("C9", "rolling restart of two proxies, and of five pods behind them, under 500 calls/s", limit=150, quick=True)
def c9(lab):
    step, count = (1.2, 2) if lab.quick else (4, 5)
    pods = lab.pods(range(1, 6))
    lab.publish(pods)
    proxies = lab.proxies([1, 2])
    lab.publish(proxies, "proxies.test")
    client = lab.client(THROUGH, rate=500, seconds=150, streams=4, stream_life=1000)
    lab.pause(1)
    events, ended = [], []
    for index in range(2):
        new = lab.proxies([11 + index])[0]
        old, proxies = proxies[0], proxies[1:] + [new]
        lab.publish(proxies, "proxies.test")
        events.append((old.terminate(), f"proxy {index + 1}"))
        ended.append(old)
        lab.pause(step)
    for index in range(count):
        new = lab.pods([11 + index])[0]
        old, pods = pods[0], pods[1:] + [new]
        lab.publish(pods)
        events.append((old.terminate(), f"pod {index + 1}"))
        ended.append(old)
        lab.pause(step)
    calls = client.stop()
    lab.check_no_failures(calls)
    bad = [event for event in client.streams if event.what == "ended" and event.code != 0]
    lab.check("streams that ended badly", len(bad), equal=0)
    lab.notes += [f"{event.code}: {event.message[:300]}" for event in bad[:2]]
    left = sum(1 for one in ended if one.wait_exit(5) == 0)
    lab.check("proxies and pods that left in order", left, equal=2 + count)
    called = set(shares(calls)) & {pod.name for pod in pods[-count:]}
    lab.check("new pods that were called", len(called), equal=count)
    lab.draw(calls, "Rolling restart of two proxies and five pods at 500 calls/s", events)
