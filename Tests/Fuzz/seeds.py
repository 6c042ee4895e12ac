#!/usr/bin/env python3
"""Writes the inputs that the fuzzer starts from into a folder: seeds.py FOLDER. `protoc --encode` makes messages of text,
and requests to the plugin are made of the descriptors of .proto files. The committed corpus began with these."""

import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = ROOT / "Tests/ProtobufTests"
# By the first byte (BinaryTarget.swift): file, message, texts.
BINARY = {
    0: ("everything.proto", "volery.tests.Everything", [
        "double_value: -0.0 float_value: nan int32_value: -1 int64_value: -9223372036854775808 uint32_value: 4294967295",
        "uint64_value: 18446744073709551615 sint32_value: -5 sint64_value: -6 fixed32_value: 7 fixed64_value: 8",
        "sfixed32_value: -9 sfixed64_value: -10 bool_value: true string_value: 'h\\303\\251llo' bytes_value: '\\000\\377'",
        "colour: COLOUR_NEGATIVE inner { number: 1 numbers: 2 numbers: 300 text: 'x' } again { again { int32_value: 1 } }",
        "maybe_int32: 0 maybe_string: '' maybe_bool: false maybe_colour: COLOUR_UNSPECIFIED",
        "int32_list: [1, -1, 300] sint64_list: [-1, 2] fixed64_list: [1, 2] double_list: [1.5, inf] bool_list: [true, false]",
        "string_list: ['a', ''] bytes_list: ['b', ''] colour_list: [COLOUR_RED, COLOUR_NEGATIVE] unpacked_list: [1, 2]",
        "inner_list { number: 1 } inner_list { } inner_list { text: 'z' }",
        "string_map { key: 'k' value: 'v' } string_map { key: '' value: '' } inner_map { key: -1 value { number: 3 } }",
        "colour_map { key: true value: COLOUR_RED } bytes_map { key: -3 value: 'bytes' }",
        "choice_string: 'chosen'", "choice_inner { number: 4 }", "choice_bool: false", "choice_bytes: ''",
        "class: 'c' self: 's' description: 'd' init: 1",
    ]),
    1: ("proto2.proto", "volery.tests.Old", [
        "needed: 1 text: 'old' unpacked: [1, 2] packed: [3, 4] size: SMALL", "needed: 0",
    ]),
    2: ("everything.proto", "volery.tests.Numbers", ["first: 1 last: 2"]),
}
# Wire data that no text makes: groups, merged sub-messages, other wire types, over-long varints, lies about lengths.
RAW = [
    "00 03 08 01 04", "00 8a 01 02 08 01 8a 01 02 1a 00", "00 1d 01 02 03 04", "00 18 80 80 80 80 80 80 80 80 80 01",
    "00 fa 01 ff ff ff ff 0f", "00 f2 01 03 01 02 03", "00 00 01", "00 f8 ff ff ff 0f 01", "02 f8 ff ff ff 0f 01",
    "01 28 07 08 01", "01 28 01 28 07 08 01", "03 0a 02 68 69", "00 9a 03 06 0a 01 6b 12 01 76", "00 92 01 04 92 01 01 00",
]
PROTOS = [
    ("Tests/ProtobufTests", "everything.proto", ""), ("Tests/ProtobufTests", "proto2.proto", "Visibility=public"),
    ("Examples/RouteGuide/Protos", "route_guide.proto", "FileNaming=DropPath,Client=false"),
    ("Protos", "grpc/testing/test.proto", "ProtoModule=grpc/testing/empty.proto:Empty,Prefix=package"),
    ("Examples/HelloWorld/Protos", "helloworld.proto", "ModuleMappings=x,Messages=false,Module=A+B"),
]


def field(number, data):
    def varint(value):
        out = b""
        while value >= 128:
            out += bytes([value & 127 | 128])
            value >>= 7
        return out + bytes([value])
    return varint(number << 3 | 2) + varint(len(data)) + data


def main():
    out = pathlib.Path(sys.argv[1])
    for target in ("binary", "plugin"):
        (out / target).mkdir(parents=True, exist_ok=True)
    for choice, (file, message, texts) in BINARY.items():
        everything = [" ".join(texts[:9])] if len(texts) > 9 else []
        for number, text in enumerate(texts + everything):
            run = subprocess.run(["protoc", "-I", TESTS, f"--encode={message}", file], input=text.encode(),
                                 stdout=subprocess.PIPE, check=True)
            (out / "binary" / f"seed-{choice}-{number}").write_bytes(bytes([choice]) + run.stdout)
    for number, text in enumerate(RAW):
        (out / "binary" / f"seed-raw-{number}").write_bytes(bytes.fromhex(text))
    for number, (folder, file, parameter) in enumerate(PROTOS):
        with tempfile.NamedTemporaryFile() as descriptors:
            subprocess.run(["protoc", "-I", ".", f"--descriptor_set_out={descriptors.name}", "--include_imports",
                            "--include_source_info", file], cwd=ROOT / folder, check=True)
            files = pathlib.Path(descriptors.name).read_bytes()
        # FileDescriptorSet.file is field 1, CodeGeneratorRequest.proto_file is 15: one byte differs.
        place, request = 0, field(1, file.encode()) + field(2, parameter.encode())
        while place < len(files):
            length, shift, place = 0, 0, place + 1
            while True:
                byte = files[place]
                length |= (byte & 127) << shift
                shift, place = shift + 7, place + 1
                if byte < 128:
                    break
            request += field(15, files[place:place + length])
            place += length
        (out / "plugin" / f"seed-{number}").write_bytes(request)


if __name__ == "__main__":
    main()
