"""The few bytes of protobuf and gRPC that the benchmark writes by itself."""

import struct

SERVICE = "volery.benchmark.Benchmark"


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def frame(message):
    return b"\0" + struct.pack(">I", len(message)) + message


def echo(payload):
    """A framed Echo with so many bytes."""
    return frame(b"\x0a" + varint(payload) + bytes(payload) if payload else b"")


def stream_request(count, size):
    return frame(b"\x08" + varint(count) + b"\x10" + varint(size))


def method(name):
    return f"/{SERVICE}/{name}"
