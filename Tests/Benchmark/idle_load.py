"""Connections and streams that are open and do nothing: raw HTTP/2, the same bytes to every server."""

import selectors
import socket
import ssl
import struct
import time

from wire import echo, method

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
ACK = END_STREAM = 1
END_HEADERS = 4


def http2_frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(first, value):
    """A header field without indexing (RFC 7541 section 6.2.2); `first` has its name."""
    return first + bytes([len(value)]) + value


def request(name):
    """A header block: :method POST and :scheme http by index, the rest as literals."""
    return b"\x83\x86" + b"".join([
        literal(b"\x04", method(name).encode()), literal(b"\x01", b"127.0.0.1"),
        literal(b"\x0f\x10", b"application/grpc"), literal(b"\x00\x02te", b"trailers")])


def unverified():
    """TLS with ALPN, and without a look at the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


class Connection:
    def __init__(self, port, tls=None):
        """`tls`: an SSLContext, where it goes over TLS."""
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            self.socket = tls.wrap_socket(self.socket)
            # A record that brings nothing for us (a ticket) must not be waited behind.
            self.socket.setblocking(False)
        self.socket.sendall(PREFACE + http2_frame(SETTINGS, 0, 0))
        self.buffer = b""
        self.has_settings = False
        self.answered = set()
        """Streams on which a message came."""
        self.ended = set()

    def send(self, *frames):
        self.socket.sendall(b"".join(frames))

    def readable(self):
        try:
            chunk = self.socket.recv(1 << 16)
        except ssl.SSLWantReadError:
            return
        if not chunk:
            raise SystemExit("the server closed an idle connection")
        self.buffer += chunk
        while len(self.buffer) >= 9:
            length = int.from_bytes(self.buffer[:3], "big")
            if len(self.buffer) < 9 + length:
                return
            kind, flags, stream = self.buffer[3], self.buffer[4], int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF
            payload, self.buffer = self.buffer[9:9 + length], self.buffer[9 + length:]
            self.received(kind, flags, stream, payload)

    def received(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            self.has_settings = True
            self.send(http2_frame(SETTINGS, ACK, 0))
        elif kind == PING and not flags & ACK:
            self.send(http2_frame(PING, ACK, 0, payload))
        elif kind in (RST_STREAM, GOAWAY):
            raise SystemExit(f"the server sent a frame of type {kind}: {payload!r}")
        elif kind == DATA and payload:
            self.answered.add(stream)
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self.ended.add(stream)


class IdleLoad:
    """So many connections to one server, until closed."""

    def __init__(self, port, connections, tls=None):
        self.selector = selectors.DefaultSelector()
        self.connections = []
        for _ in range(connections):
            connection = Connection(port, tls)
            self.connections.append(connection)
            self.selector.register(connection.socket, selectors.EVENT_READ, connection)
            # One after the other, so that no server's backlog overflows.
            self.until(lambda: connection.has_settings)

    def call(self):
        """One unary call on each, to its end."""
        for connection in self.connections:
            connection.send(
                http2_frame(HEADERS, END_HEADERS, 1, request("Unary")), http2_frame(DATA, END_STREAM, 1, echo(16)))
        self.until(lambda: all(1 in one.ended for one in self.connections))
        if not all(1 in one.answered for one in self.connections):
            raise SystemExit("a call brought no message")

    def open_streams(self, count):
        """So many streams on each; each has its handler running, which has answered a first message."""
        ids = [2 * index + 1 for index in range(1, count + 1)]
        for connection in self.connections:
            for stream in ids:
                connection.send(
                    http2_frame(HEADERS, END_HEADERS, stream, request("PingPong")),
                    http2_frame(DATA, 0, stream, echo(16)))
            self.until(lambda: connection.answered.issuperset(ids))

    def settle(self, seconds):
        """Answers what comes, for a while."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.turn(left)

    def until(self, condition, limit=60):
        end = time.monotonic() + limit
        while not condition():
            if time.monotonic() > end:
                raise SystemExit(f"no answer within {limit} s")
            self.turn(0.5)

    def turn(self, timeout):
        for key, _ in self.selector.select(timeout):
            key.data.readable()
            # What TLS has taken from the socket already, no selector tells.
            while isinstance(key.data.socket, ssl.SSLSocket) and key.data.socket.pending():
                key.data.readable()

    def close(self):
        for connection in self.connections:
            connection.socket.close()
        self.selector.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
