"""Servers that misbehave, on raw sockets."""

import socket
import struct
import threading
import time

from .http2 import DATA, HEADERS, PING, PREFACE, SETTINGS, Frames, frame, goaway, literal, message
from .pods import PORT


class HostileServer:
    """Listens; `serve` gets each connection on a thread of its own."""

    def __init__(self, address, port=PORT):
        self.address = address
        self.accepted = 0
        self._open = set()
        self._listener = socket.create_server((address, port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._open.add(connection)
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        try:
            self.serve(connection)
        except (OSError, EOFError):
            pass
        finally:
            self._open.discard(connection)
            connection.close()

    def serve(self, connection):
        raise NotImplementedError

    def close(self):
        # A thread that waits in accept would keep the address.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


def read_for_ever(connection):
    while connection.recv(65536):
        pass


class Scripted(HostileServer):
    """Says these bytes to each connection; then listens, closes or resets it."""

    def __init__(self, address, says=b"", then="listen"):
        self.says, self.then = says, then
        super().__init__(address)

    def serve(self, connection):
        connection.sendall(self.says)
        if self.then == "listen":
            read_for_ever(connection)
        elif self.then == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


MISBEHAVIOURS = {
    "accepts and says nothing": (b"", "listen"),
    "closes at once": (b"", "close"),
    "resets at once": (b"", "reset"),
    "sends SETTINGS and then nothing": (frame(SETTINGS), "listen"),
    "sends GOAWAY at once": (frame(SETTINGS) + goaway(0), "close"),
    "allows no streams": (frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 0)), "listen"),
    "speaks HTTP/1.1": (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", "close"),
    "sends garbage": (bytes(range(256)) * 8, "listen"),
}


class Quitter(HostileServer):
    """Serves volery.lab.Lab, each answer after `delay` seconds. After so many calls on a connection, with at least three
    running, it says GOAWAY with the oldest of those as the last stream: the others were not looked at, and never will be.
    """

    def __init__(self, address, delay, calls):
        self.delay, self.calls = delay, calls
        self.answered = self.abandoned = self.farewells = 0
        self._lock = threading.Lock()
        super().__init__(address)

    def serve(self, connection):
        connection.sendall(frame(SETTINGS))
        if connection.recv(len(PREFACE), socket.MSG_WAITALL) != PREFACE:
            return
        frames, running, begun = Frames(connection), [], 0
        while True:
            found = frames.next(0.005)
            if found and self._is_call(connection, *found):
                running.append((found[2], time.monotonic() + self.delay))
                begun += 1
            while running and running[0][1] <= time.monotonic():
                self._answer(connection, running.pop(0)[0])
            if begun >= self.calls and len(running) >= 3:
                connection.sendall(goaway(running[0][0]))
                with self._lock:
                    self.farewells += 1
                    self.abandoned += len(running) - 1
                time.sleep(self.delay)
                self._answer(connection, running[0][0])
                return read_for_ever(connection)

    def _is_call(self, connection, kind, flags, stream, body):
        """Whether the frame ends a request of the laboratory; answers everything else that wants an answer."""
        if kind == SETTINGS and not flags & 1:
            connection.sendall(frame(SETTINGS, 1))
        elif kind == PING and not flags & 1:
            connection.sendall(frame(PING, 1, 0, body))
        elif kind == DATA and flags & 1:
            if len(body) > 5:  # The laboratory's questions have a key.
                return True
            block = b"\x88" + literal("content-type", "application/grpc") + literal("grpc-status", "12")
            connection.sendall(frame(HEADERS, 5, stream, block))
        return False

    def _answer(self, connection, stream):
        name = f"{self.address}:{PORT}".encode()
        head = b"\x88" + literal("content-type", "application/grpc")
        connection.sendall(
            frame(HEADERS, 4, stream, head)
            + frame(DATA, 0, stream, message(b"\x0a" + bytes([len(name)]) + name))
            + frame(HEADERS, 5, stream, literal("grpc-status", "0"))
        )
        with self._lock:
            self.answered += 1
