"""Reads a binary log as grpc-go writes it, with protobuf's own Python: a line of JSON for each entry.

    binlog.py FILE
"""

import pathlib
import struct
import sys
import tempfile

from google.protobuf import json_format
from grpc_tools import protoc

PROTOS = pathlib.Path(__file__).resolve().parents[2] / "Protos"


def load():
    out = tempfile.mkdtemp(prefix="volery-binlog-")
    if protoc.main(["protoc", f"-I{PROTOS / 'grpc/binlog/v1'}", f"-I{PROTOS}", f"--python_out={out}", "binarylog.proto"]):
        raise SystemExit("protoc failed")
    sys.path.insert(0, out)
    import binarylog_pb2

    return binarylog_pb2


def entries(path, messages):
    data = pathlib.Path(path).read_bytes()
    offset = 0
    while offset < len(data):
        (size,) = struct.unpack_from(">I", data, offset)
        offset += 4
        assert offset + size <= len(data), f"an entry of {size} bytes at {offset}, of {len(data)}"
        entry = messages.GrpcLogEntry()
        assert entry.ParseFromString(data[offset : offset + size]) == size
        offset += size
        yield entry


if __name__ == "__main__":
    for entry in entries(sys.argv[1], load()):
        print(json_format.MessageToJson(entry, indent=None, preserving_proto_field_name=True))
