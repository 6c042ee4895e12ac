#!/usr/bin/env python3
"""Reads and writes messages with PyPI's protobuf: one request a line, one answer a line.

  J HEX-JSON   the bytes of volery.formats.Format from JSON, in hexadecimal, or "error"
  T HEX-TEXT   the same from text format
  j HEX-BYTES  JSON of the bytes, in hexadecimal, or "error"
  t HEX-BYTES  text format of the bytes
"""
import os
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, text_format
from google.protobuf import any_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2  # noqa: F401

here = os.path.dirname(os.path.abspath(__file__))
with tempfile.NamedTemporaryFile() as file:
    subprocess.run(["protoc", "-I", here, "--descriptor_set_out=" + file.name, "formats.proto"], check=True)
    files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
pool = descriptor_pool.Default()
for proto in files.file:
    pool.Add(proto)
Format = message_factory.GetMessageClass(pool.FindMessageTypeByName("volery.formats.Format"))
message_factory.GetMessageClass(pool.FindMessageTypeByName("volery.formats.Stranger"))


def answer(kind, data):
    message = Format()
    if kind == "J":
        json_format.Parse(data.decode("utf-8"), message)
        return message.SerializeToString(deterministic=True)
    if kind == "T":
        text_format.Parse(data, message)
        return message.SerializeToString(deterministic=True)
    message.ParseFromString(data)
    if kind == "j":
        return json_format.MessageToJson(message, indent=None).encode("utf-8")
    return text_format.MessageToString(message).encode("utf-8")


for line in sys.stdin:
    kind, _, data = line.rstrip("\n").partition(" ")
    try:
        print(answer(kind, bytes.fromhex(data)).hex(), flush=True)
    except Exception as error:  # noqa: BLE001: every refusal is one answer
        print("error", flush=True)
        print(kind, error, file=sys.stderr, flush=True)
