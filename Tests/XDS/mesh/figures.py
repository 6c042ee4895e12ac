"""Figures: what an update of a large list of endpoints costs, and that a change of everything loses no call."""

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
        while len(data) >= 9:
            end = 9 + int.from_bytes(data[:3], "big")
            if len(data) < end:
                break
            kind, flags = data[3], data[4]
            if kind == 4 and not flags & 1:
                connection.send(SETTINGS_ACK)
            if kind == 6 and not flags & 1:
                connection.send(data[:4] + b"\1" + data[5:end])
            data = data[end:]
        rest[connection] = data

    def close(self) -> None:
        self._is_closed = True
        self._thread.join(10)


ENDPOINTS, LOCALITIES = 10_000, 100


def _many(port: int) -> resources.Resource:
    size = ENDPOINTS // LOCALITIES
    groups = []
    for number in range(LOCALITIES):
        those = [resources.endpoint(port, f"127.{1 + number // 100}.{number % 100}.{1 + place}") for place in range(size)]
        groups.append(resources.locality(f"z{number}", those))
    return resources.endpoints("a", *groups)


def _updates(lab: Lab, is_connected: bool) -> dict[str, Outcome]:
    count, interval = (100, 0.05) if lab.quick else (1000, 0.05)
    crowd = Crowd()
    seconds: dict[str, float] = {}
    texts: dict[str, str] = {}
    many = _many(crowd.port)
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
            lab.control.tell(touch="a", count=count, interval=interval)
            done = lab.control.wait(lambda line: line["event"] == "touched", 600, since=seen)
            time.sleep(2)
            seconds[name] = client.measured().cpu() - before
            texts[name] = f"{1000 * seconds[name] / count:.2f} ms of processor time for each update"
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


@case(
    "1 of 10,000 endpoints in 100 localities changes its address, 1,000 times; all of them are connected to",
    "the project's own bar",
    "at most 0.5 x the processor time of grpcio's client",
    clients=("volery", "grpcio"),
)
def update_of_one(lab: Lab) -> dict[str, Outcome]:
    return _updates(lab, True)


@case(
    "the same, of a second priority that is not in use",
    "the project's own bar",
    "at most 0.5 x the processor time of grpcio's client",
    clients=("volery", "grpcio"),
)
def update_of_unused(lab: Lab) -> dict[str, Outcome]:
    return _updates(lab, False)
