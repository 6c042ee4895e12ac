"""Figures: what an update of a large list of endpoints costs, and that a change of everything loses no call."""

import contextlib
import selectors
import socket
import threading
import time

from . import resources
from .case import Outcome, case
from .lab import Lab

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, SETTINGS_ACK = b"\0\0\0\4\0\0\0\0\0", b"\0\0\0\4\1\0\0\0\0"


class Crowd:
    """A port at which thousands of connections are HTTP/2 and idle: what comes is answered as far as it has to be."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("0.0.0.0", 0))
        self._listener.listen(4096)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self.accepted = 0
        self.open = 0
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        rest: dict[socket.socket, bytes] = {}
        while not self._is_closed:
            for key, _ in self._selector.select(0.5):
                if key.fileobj is self._listener:
                    self._accept(rest)
                else:
                    self._read(key.fileobj, rest)
        for connection in rest:
            connection.close()
        self._listener.close()

    def _accept(self, rest: dict[socket.socket, bytes]) -> None:
        for _ in range(256):
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            connection.setblocking(False)
            with contextlib.suppress(OSError):
                connection.send(SETTINGS)
            self.accepted += 1
            self.open += 1
            rest[connection] = b""
            self._selector.register(connection, selectors.EVENT_READ)

    def _read(self, connection: socket.socket, rest: dict[socket.socket, bytes]) -> None:
        try:
            got = connection.recv(65536)
        except OSError:
            got = b""
        if not got:
            self._selector.unregister(connection)
            connection.close()
            del rest[connection]
            self.open -= 1
            return
        data = (rest[connection] + got).removeprefix(PREFACE)
        answer = b""
        while len(data) >= 9:
            end = 9 + int.from_bytes(data[:3], "big")
            if len(data) < end:
                break
            kind, flags = data[3], data[4]
            if kind == 4 and not flags & 1:
                answer += SETTINGS_ACK
            if kind == 6 and not flags & 1:
                answer += data[:4] + b"\1" + data[5:end]
            data = data[end:]
        rest[connection] = data
        # One that has gone is read as such next time.
        with contextlib.suppress(OSError):
            connection.send(answer)

    def close(self) -> None:
        self._is_closed = True
        self._thread.join(10)


ENDPOINTS = 10_000
# Seconds between an update and the next one.
INTERVAL = 0.05
# How many updates each client gets; what one costs is compared. C-core takes seconds of processor time for one where there are many
# localities, and more than half a second with 10,000 connections.
COUNTS = {"volery": 1000, "grpcio": 100}
FEW = {"volery": 1000, "grpcio": 30}
QUICK = {"volery": 100, "grpcio": 30}


def _many(port: int, localities: int) -> resources.Resource:
    groups: list[list[resources.Resource]] = [[] for _ in range(localities)]
    for number in range(ENDPOINTS):
        host = f"127.1.{number // 200}.{1 + number % 200}"
        groups[number * localities // ENDPOINTS].append(resources.endpoint(port, host))
    return resources.endpoints("a", *(resources.locality(f"z{n}", those) for n, those in enumerate(groups)))


def _updates(lab: Lab, localities: int, counts: dict[str, int], is_connected: bool) -> dict[str, Outcome]:
    counts = QUICK if lab.quick else counts
    crowd = Crowd()
    seconds: dict[str, float] = {}
    texts: dict[str, str] = {}
    many = _many(crowd.port, localities)
    if not is_connected:
        # The first priority is one server; the others are not needed, and not connected to.
        for group in many["endpoints"]:
            group["priority"] = 1
        many["endpoints"][-1]["lb_endpoints"].pop()
        many["endpoints"].insert(0, lab.group("here", "one"))
    lab.routes(resources.to("a"))
    lab.set("cluster", resources.cluster("a"))
    lab.listen()
    try:
        for name in lab.names:
            lab.set("endpoints", many)
            one = Lab.__new__(Lab)
            one.__dict__.update(lab.__dict__, names=(name,), clients={})
            one.listen = lambda: None
            one.start(warm=False)
            client = one.clients[name]
            client.begin(calls=1, wait=True, timeout=600)
            wanted = ENDPOINTS if is_connected else 0
            ready = Lab.until(lambda wanted=wanted: crowd.open >= wanted, 240)
            if not is_connected:
                client.calls(1, wait=True, timeout=60)
            time.sleep(5)
            before, opened, seen = client.measured().cpu(), crowd.accepted, len(lab.control.said)
            lab.control.tell(touch="a", count=counts[name], interval=INTERVAL)
            done = lab.control.wait(lambda line: line["event"] == "touched", 900, since=seen)
            time.sleep(3)
            seconds[name] = (client.measured().cpu() - before) / counts[name]
            texts[name] = f"{1000 * seconds[name]:.1f} ms of processor time for each of {counts[name]:,} updates"
            if is_connected:
                texts[name] += f", {crowd.accepted - opened} new connections"
            texts[name] += f", {client.measured().memory():.0f} MB"
            if "error" in done or not ready:
                texts[name] += f"; {done.get('error') or f'only {crowd.open} connections'}"
                seconds[name] = float("inf")
            client.close()
            Lab.until(lambda: crowd.open == 0, 60)
    finally:
        crowd.close()
    found = {name: Outcome(texts[name], True) for name in seconds}
    ratio = seconds["volery"] / seconds["grpcio"]
    found["volery"].text += f"; {ratio:.2f} x grpcio's (bar: 0.5)"
    found["volery"].is_right = ratio <= 0.5
    return found


BAR = ("the project's own bar", "at most 0.5 x the processor time of grpcio's client", ("volery", "grpcio"))


@case("1 of 10,000 endpoints of one locality changes its address, again and again; all of them are connected to", *BAR)
def update_of_one(lab: Lab) -> dict[str, Outcome]:
    return _updates(lab, 1, COUNTS, True)


@case("1 of 10,000 endpoints in 100 localities changes its address; those are the second priority, and not in use", *BAR)
def update_of_unused(lab: Lab) -> dict[str, Outcome]:
    return _updates(lab, 100, FEW, False)
