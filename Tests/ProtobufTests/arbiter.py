#!/usr/bin/env python3
"""Another implementation's opinion (upb, PyPI protobuf) on what we read and write.

  arbiter.py make COUNT SEED   writes cases, a line each: message type, bytes in hexadecimal, "whole" or "damaged"
  arbiter.py judge             reads cases with our answer in a fourth column (our encoding of what we decoded, in
                               hexadecimal, or "error") and prints those that upb sees otherwise
"""
import os
import random
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, unknown_fields
from google.protobuf.descriptor import FieldDescriptor as F

FILES = ["everything.proto", "proto2.proto", "editions.proto"]
TYPES = [
    "volery.tests.Everything", "volery.tests.Old", "volery.tests.ClosedEnums", "volery.tests.Groups",
    "volery.tests.Required", "volery.tests.Extended", "volery.tests.editions.Message",
]


def load():
    here = os.path.dirname(os.path.abspath(__file__))
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "set")
        subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "grpc_tools.protoc", "-I", here, f"--descriptor_set_out={out}"]
            + FILES, check=True, stderr=subprocess.DEVNULL)
        files = descriptor_pb2.FileDescriptorSet.FromString(open(out, "rb").read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Maker:
    """Writes wire format that is nearly right: known fields, some of them several times or with another wire type,
    unknown ones, numbers that enums do not have, and now and then a byte that is wrong."""

    def __init__(self, pool, seed):
        self.pool = pool
        self.random = random.Random(seed)

    def case(self):
        name = self.random.choice(TYPES)
        data = self.message(self.pool.FindMessageTypeByName(name), 0)
        is_damaged = self.random.random() < 0.15
        return name, self.damaged(data) if is_damaged else data, "damaged" if is_damaged else "whole"

    def damaged(self, data):
        data = bytearray(data)
        for _ in range(self.random.randint(1, 2)):
            if data:
                at = self.random.randrange(len(data))
                if self.random.random() < 0.4:
                    del data[at:]
                else:
                    data[at] ^= 1 << self.random.randrange(8)
        return bytes(data)

    def message(self, descriptor, depth):
        fields = list(descriptor.fields)
        # What is unknown within the entry of a map upb keeps with the whole entry; others (and we) drop it.
        is_entry = descriptor.GetOptions().map_entry
        if depth < 2:
            fields += self.pool.FindAllExtensions(descriptor)
        if is_entry:
            # Nor do we write an entry that has to stay unknown in upb's own way, key and value once and in order.
            return b"".join(self.field(field, depth, may_mismatch=False) for field in fields)
        out = b""
        for _ in range(self.random.choice([0, 1, 2, 4, 9])):
            if fields and self.random.random() < 0.93:
                out += self.field(self.random.choice(fields), depth)
            else:
                out += self.unknown(self.random.randint(200, 100000), 0)
        if descriptor.full_name in ("volery.tests.Old", "volery.tests.editions.Message"):
            needed = descriptor.fields_by_name["needed"]
            # Missing at the top only: where a map has a key twice, upb looks at the last value alone.
            if depth or self.random.random() < 0.95:
                out += varint(needed.number << 3) + varint(self.number())
        return out

    def number(self):
        return self.random.choice([0, 1, 2, 5, 7, 99, -1, -5, 1 << 31, (1 << 32) + 1, (1 << 40) + 99, (1 << 63) - 1])

    def text(self):
        return self.random.choice([b"", b"a", b"gr\xc3\xbc\xc3\x9fe", b"0123456789abcdef" * 2, b"\x00\x01"] * 8 + [b"x" * 5000])

    def unknown(self, number, depth, may_be_bytes=True):
        kind = self.random.choice([0, 1, 5] + [2] * may_be_bytes + [3] * (depth < 3))
        tag = varint(number << 3 | kind)
        if kind == 0:
            return tag + varint(self.number())
        if kind == 1:
            return tag + self.random.randbytes(8)
        if kind == 5:
            return tag + self.random.randbytes(4)
        if kind == 2:
            text = self.text()
            return tag + varint(len(text)) + text
        return tag + self.unknown(self.random.randint(1, 30), depth + 1) + varint(number << 3 | 4)

    def field(self, field, depth, may_mismatch=True):
        chance = self.random.random()
        if chance < 0.04 and may_mismatch:
            return self.unknown(field.number, 0, may_be_bytes=not field.message_type)
        if field.type in (F.TYPE_MESSAGE, F.TYPE_GROUP):
            content = self.message(field.message_type, depth + 1) if depth < 4 else b""
            if field.type == F.TYPE_GROUP:
                return varint(field.number << 3 | 3) + content + varint(field.number << 3 | 4)
            return varint(field.number << 3 | 2) + varint(len(content)) + content
        if field.type in (F.TYPE_STRING, F.TYPE_BYTES):
            text = self.text()
            return varint(field.number << 3 | 2) + varint(len(text)) + text
        if field.is_repeated and chance < 0.5:
            content = b"".join(self.scalar(field)[1] for _ in range(self.random.randint(0, 5)))
            return varint(field.number << 3 | 2) + varint(len(content)) + content
        kind, value = self.scalar(field)
        return varint(field.number << 3 | kind) + value

    def scalar(self, field):
        if field.type in (F.TYPE_DOUBLE, F.TYPE_FIXED64, F.TYPE_SFIXED64):
            return 1, self.random.choice([bytes(8), bytes(7) + b"\x80", self.random.randbytes(8)])
        if field.type in (F.TYPE_FLOAT, F.TYPE_FIXED32, F.TYPE_SFIXED32):
            return 5, self.random.choice([bytes(4), bytes(3) + b"\x80", self.random.randbytes(4)])
        return 0, varint(self.number())


def unknown_of(message):
    """Unknown fields, as a comparable value: by number, the order within a number kept."""
    fields = [(f.field_number, f.wire_type, unknown_of_value(f)) for f in unknown_fields.UnknownFieldSet(message)]
    return sorted(fields, key=lambda f: f[0])


def unknown_of_value(field):
    if field.wire_type == 3:
        return sorted(((f.field_number, f.wire_type, unknown_of_value(f)) for f in field.data), key=lambda f: f[0])
    return field.data


def canonical(message):
    """All of a message as a comparable value; floats by their bits."""
    known = {}
    for field, value in message.ListFields():
        if field.message_type and field.message_type.GetOptions().map_entry:
            value = sorted(
                (key, canonical(item) if hasattr(item, "ListFields") else item) for key, item in value.items())
        elif field.message_type:
            value = [canonical(item) for item in value] if field.is_repeated else canonical(value)
        elif isinstance(value, float):
            value = value.hex()
        elif field.is_repeated:
            value = [item.hex() if isinstance(item, float) else item for item in value]
        known[field.full_name] = value
    return known, unknown_of(message)


def parse(type_, data):
    message = type_()
    message.ParseFromString(data)
    return message if message.IsInitialized() else None


def judge(pool):
    for line in sys.stdin:
        name, data, state, answer = line.rstrip("\n").split(" ")
        type_ = message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        try:
            expected = parse(type_, bytes.fromhex(data))
        except Exception:
            expected = None
        if answer == "error":
            # A wrong byte may be in a string. A Swift String is UTF-8; upb takes anything but in proto3.
            if expected is not None and (state == "whole" or name == "volery.tests.Everything"):
                print(name, data, "we refuse what upb reads")
            continue
        if expected is None:
            # Extensions are read when they are asked for, so that what is wrong in them is found no earlier.
            if not type_.DESCRIPTOR.is_extendable:
                print(name, data, "we read what upb refuses")
            continue
        try:
            ours = parse(type_, bytes.fromhex(answer))
        except Exception as error:
            print(name, data, "upb can't read what we write:", answer, error)
            continue
        # A byte that is wrong may have made something unknown within the entry of a map (see above).
        if state == "whole" and (ours is None or canonical(ours) != canonical(expected)):
            print(name, data, "differs:", answer)


pool = load()
if sys.argv[1] == "make":
    maker = Maker(pool, int(sys.argv[3]))
    for _ in range(int(sys.argv[2])):
        name, data, state = maker.case()
        print(name, data.hex(), state)
else:
    judge(pool)
