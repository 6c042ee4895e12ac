"""As much HTTP/2 as the scenarios need to look at a server's frames, and to be a server that misbehaves."""

import socket
import struct
import time

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags=0, stream=0, body=b""):
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


def goaway(last, code=0, text=b""):
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code) + text)


def last_stream(found):
    return struct.unpack(">I", found[3][:4])[0]


def literal(name, value):
    """A header field that is neither indexed nor compressed."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def message(body):
    return b"\0" + struct.pack(">I", len(body)) + body


def expect_preface(connection):
    if connection.recv(len(PREFACE), socket.MSG_WAITALL) != PREFACE:
        raise EOFError


class Frames:
    """The frames that come out of a socket: (kind, flags, stream, body)."""

    def __init__(self, connection):
        self.socket = connection
        self._buffer = b""

    def next(self, limit):
        """None when nothing came in that time; EOFError when the connection is closed."""
        end = time.monotonic() + limit
        while True:
            if len(self._buffer) >= 9:
                size = int.from_bytes(self._buffer[:3], "big")
                if len(self._buffer) >= 9 + size:
                    kind, flags = self._buffer[3], self._buffer[4]
                    stream = struct.unpack(">I", self._buffer[5:9])[0]
                    body, self._buffer = self._buffer[9 : 9 + size], self._buffer[9 + size :]
                    return kind, flags, stream, body
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                more = self.socket.recv(65536)
            except TimeoutError:
                return None
            except OSError:
                more = b""
            if not more:
                raise EOFError
            self._buffer += more


def answered_ok(block):
    """Whether a first block of trailers says grpc-status 0, as literals with or without Huffman's code."""
    for name in (b"\x88\x9a\xca\xc8\xb2\x12\x34\xda\x8f", b"\x0bgrpc-status"):
        place = block.find(name)
        if place >= 0:
            value = block[place + len(name) :]
            return value.startswith((b"\x01" + b"0", b"\x81\x07"))
    return False


class Connection:
    """A client's end. `many`: of many calls, with a window that does not end, and header blocks that each stand for themselves."""

    def __init__(self, address, port=50051, many=False):
        self.socket = socket.create_connection((address, port), 3)
        self._frames = Frames(self.socket)
        self._kept = []
        self._next = 1
        self.socket.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 1, 0) if many else b""))
        if many:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.sendall(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30)))

    def call(self, path, body, end=False, more=b""):
        """`more`: further fields of the headers."""
        stream, self._next = self._next, self._next + 2
        block = self._request(path) + more
        self.socket.sendall(frame(HEADERS, 4, stream, block) + frame(DATA, 1 if end else 0, stream, message(body)))
        return stream

    def call_many(self, path, body, count):
        """So many whole calls at once."""
        block, frames = self._request(path), []
        for _ in range(count):
            frames += [frame(HEADERS, 4, self._next, block), frame(DATA, 1, self._next, message(body))]
            self._next += 2
        self.socket.sendall(b"".join(frames))

    @staticmethod
    def _request(path):
        return (
            b"\x83\x86"
            + literal(":path", path)
            + literal(":authority", "lab")
            + literal("content-type", "application/grpc")
            + literal("te", "trailers")
        )

    def reset(self, stream, code):
        self.socket.sendall(frame(RST_STREAM, 0, stream, struct.pack(">I", code)))

    def _next_frame(self, limit):
        found = self._frames.next(limit)
        if found and found[0] == SETTINGS and not found[1] & 1:
            self.socket.sendall(frame(SETTINGS, 1))
        if found and found[0] == PING and not found[1] & 1:
            self.socket.sendall(frame(PING, 1, 0, found[3]))
        return found

    def _wait(self, wanted, limit):
        for index, found in enumerate(self._kept):
            if wanted(found):
                # What came before it has been passed over.
                self._kept = (
                    self._kept[index + 1 :]
                    if found[0] in (GOAWAY, PING)
                    else (self._kept[:index] + self._kept[index + 1 :])
                )
                return found
        end = time.monotonic() + limit
        while time.monotonic() < end:
            try:
                found = self._next_frame(end - time.monotonic())
            except EOFError:
                return None
            if found and wanted(found):
                return found
            if found:
                self._kept.append(found)
        return None

    def wait_frame(self, kind, limit):
        return self._wait(lambda found: found[0] == kind and not (kind == PING and found[1] & 1), limit)

    def wait_message(self, limit):
        """The next message's bytes, of whichever stream."""
        found = self._wait(lambda found: found[0] == DATA and len(found[3]) >= 5, limit)
        return found and found[3][5:]

    def wait_end(self, stream, limit):
        """The grpc-status of a call, read from the trailers' text; None when it did not end in order."""
        found = self._wait(
            lambda found: found[0] in (HEADERS, RST_STREAM)
            and found[2] == stream
            and (found[1] & 1 or found[0] == RST_STREAM),
            limit,
        )
        if not found or found[0] == RST_STREAM:
            return None
        return "0" if answered_ok(found[3]) else "other"

    def wait_ends(self, count, limit):
        """So many calls that end in order."""
        for _ in range(count):
            found = self._wait(lambda found: found[0] == RST_STREAM or found[0] == HEADERS and found[1] & 1, limit)
            if not found or found[0] == RST_STREAM or not answered_ok(found[3]):
                raise RuntimeError("a call has failed")
        self._kept.clear()

    def wait_any(self, kinds, stream, limit):
        """The next frame of a stream that is of one of these kinds."""
        return self._wait(lambda found: found[0] in kinds and found[2] == stream, limit)

    def wait_reset(self, stream, limit):
        """The code that ends a stream without a status; None when it ends otherwise, or not at all."""
        found = self._wait(
            lambda found: found[2] == stream and (found[0] == RST_STREAM or found[0] == HEADERS and found[1] & 1), limit
        )
        return struct.unpack(">I", found[3])[0] if found and found[0] == RST_STREAM else None

    def wait_close(self, limit):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            try:
                self._next_frame(end - time.monotonic())
            except EOFError:
                return True
        return False

    def close(self):
        self.socket.close()
