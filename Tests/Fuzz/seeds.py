#!/usr/bin/env python3
"""Writes the inputs that the fuzzer starts from into a folder: seeds.py FOLDER. `protoc --encode` makes messages of text,
and requests to the plugin are made of the descriptors of .proto files. The committed corpus began with these."""

import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = ROOT / "Tests/ProtobufTests"
FORMATS = ROOT / "Tests/MessageFormatTests"
# By the first byte (FuzzedMessage.swift): file, message, texts.
MESSAGES = {
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
    4: ("formats.proto", "volery.formats.Format", [
        "any { [type.googleapis.com/volery.formats.Format] { int32_value: 1 any { } } }",
        "anys { [type.googleapis.com/google.protobuf.Duration] { seconds: -1 nanos: -5 } } anys { type_url: 'x/y.Z' value: 'z' }",
        "timestamp { seconds: -62135596800 nanos: 999999999 } duration { seconds: 315576000000 } mask { paths: 'a.b_c' }",
        "structure { fields { key: 'k' value { struct_value { } } } fields { key: '' value { bool_value: true } } }",
        "value { list_value { values { null_value: NULL_VALUE } values { number_value: 1e300 } } } list { } empty { }",
        "bool_wrapper { value: true } int32_wrapper { } int64_wrapper { value: -1 } uint32_wrapper { value: 1 }",
        "uint64_wrapper { value: 18446744073709551615 } float_wrapper { value: inf } double_wrapper { value: -0.0 }",
        "string_wrapper { value: 's' } bytes_wrapper { value: '\\377' } null: NULL_VALUE values { string_value: 'v' }",
        "timestamps { } timestamps { nanos: 1 } value_map { key: 'k' value { list_value { } } } level_list: [LEVEL_TOP, -1]",
        "choice_null: NULL_VALUE", "format_map { key: -1 value { double_map { key: 5 value: nan } } }",
    ]),
    5: ("proto2.proto", "volery.tests.Groups", [
        "Single { number: 1 inner { number: 2 } } Several { text: 'a' } Several { } Chosen { number: 3 } number: 4",
        "text: 'chosen' [volery.tests.ExtensionScope.group_note]: 'note'",
    ]),
    6: ("proto2.proto", "volery.tests.Extended", [
        "id: 1 note: 'n' [volery.tests.plain]: 1 [volery.tests.id]: 'x' [volery.tests.numbers]: [1, 2]",
        "[volery.tests.packed_numbers]: 3 [volery.tests.old] { needed: 1 } [volery.tests.olds] { needed: 2 }",
        "[volery.tests.closed]: FAR [volery.tests.grouped] { number: 1 } [volery.tests.far]: 'f'",
        "[volery.tests.ExtensionScope.scoped]: 1.5",
    ]),
    7: ("proto2.proto", "volery.tests.ClosedEnums", [
        "one: UNO many: [MINUS, FAR] packed: [ONE, GONE] by_number { key: 1 value: ON } chosen: ONE inner { text: 't' }",
    ]),
    8: ("proto2.proto", "volery.tests.Required", [
        "name: 'n' old { needed: 1 } olds { needed: 2 } by_name { key: 'k' value { needed: 3 } }",
    ]),
    9: ("proto2.proto", "volery.tests.Defaults", [
        "inf: -inf negative_inf: 1 not_a_number: 2 negative_zero: 0 number: 1e10 least: 1 most: 1 yes: false data: ''",
        "closed: ONE none: ''",
    ]),
    10: ("everything.proto", "volery.tests.Tree", ["value: 1 left { left { } children { } } children { value: 2 }"]),
    11: ("proto2.proto", "volery.tests.Items", ["[volery.tests.Item.item] { number: 1 more { } }"]),
    12: ("proto2.proto", "volery.tests.Underscores", [
        "foo_bar: 1 foo__bar: 2 _foo_bar_: 3 fooBar: 4 foo_bar_or_default: 5 a_b: 6",
    ]),
}
# The same for JSON; 16 more passes over unknown members.
JSON = [
    (0, '{"doubleValue":-0.0,"floatValue":"NaN","int32Value":1e3,"int64Value":"-9223372036854775808","uint32_value":1.0}'),
    (0, '{"boolValue":true,"stringValue":"h\\u00e9\\ud83d\\ude00","bytesValue":"AP_-","colour":"COLOUR_RED"}'),
    (0, '{"int32List":[1,"2"],"doubleList":["Infinity",1.5e-7],"stringMap":{"k":"v"},"innerMap":{"-1":{"numbers":[3]}}}'),
    (0, '{"choiceBytes":"","maybeInt32":null,"again":{"again":{"colourMap":{"true":-1}}},"inner":{"number":1}}'),
    (16, '{"nobody":[{"knows":null}],"colour":"COLOUR_PUCE"}'), (1, '{"needed":1,"size":"LARGE"}'), (2, '{"last":2}'),
    (3, '{}'), (4, '{"any":{"@type":"t/volery.formats.Format","any":{"@type":"t/google.protobuf.Value","value":[1]}}}'),
    (4, '{"anys":[{"value":"1.5s","@type":"t/google.protobuf.Duration"},{"@type":"t/google.protobuf.Empty","value":{}}]}'),
    (4, '{"timestamp":"2006-01-02T15:04:05.999999999+01:00","duration":"-0.000001s","mask":"a.bC,d","empty":{}}'),
    (4, '{"structure":{"b":[1,true,null],"a":{"c":"d"}},"value":{"e":[]},"list":[-1.5e3,"f",{}],"null":null}'),
    (4, '{"boolWrapper":true,"int32Wrapper":1,"int64Wrapper":"-2","uint32Wrapper":3,"uint64Wrapper":"4"}'),
    (4, '{"floatWrapper":"Infinity","doubleWrapper":1e-300,"stringWrapper":"s","bytesWrapper":"_-8="}'),
    (4, '{"values":[null,1],"timestamps":["0001-01-01T00:00:00Z"],"valueMap":{"k":null},"doubleMap":{"5":"NaN"}}'),
    (4, '{"levelMap":{"true":"LEVEL_TOP"},"levelList":[2,"LEVEL_LOW"],"choiceNull":null,"other\\"name":"x"}'),
    (5, '{"single":{"number":1,"inner":{}},"several":[{"text":"a"}],"[volery.tests.ExtensionScope.group_note]":"n"}'),
    (6, '{"[volery.tests.plain]":1,"[volery.tests.olds]":[{"needed":1}],"[volery.tests.closed]":"UNO"}'),
    (7, '{"one":"UNO","many":["MINUS",1],"byNumber":{"1":"ON"},"chosen":7}'),
    (8, '{"name":"n","old":{"needed":1},"byName":{"k":{"needed":2}}}'), (9, '{"inf":"-Infinity","most":"5","data":"AA"}'),
    (10, '{"left":{"left":{},"children":[{}]}}'), (11, '{"[volery.tests.Item.item]":{"number":1}}'),
    (12, '{"a":1,"b":2,"c":3,"d":4,"e":5}'),
]
# Wire data that no text makes: groups, merged sub-messages, other wire types, over-long varints, lies about lengths.
RAW = [
    "00 03 08 01 04", "00 8a 01 02 08 01 8a 01 02 1a 00", "00 1d 01 02 03 04", "00 18 80 80 80 80 80 80 80 80 80 01",
    "00 fa 01 ff ff ff ff 0f", "00 f2 01 03 01 02 03", "00 00 01", "00 f8 ff ff ff 0f 01", "02 f8 ff ff ff 0f 01",
    "01 28 07 08 01", "01 28 01 28 07 08 01", "03 0a 02 68 69", "00 9a 03 06 0a 01 6b 12 01 76", "00 92 01 04 92 01 01 00",
]
# By the first byte (ConfigTarget.swift): service configs, endpoint files, targets.
CONFIGS = [
    (0, '{"methodConfig":[{"name":[{"service":"a","method":"b"},{}],"timeout":"1.5s","waitForReady":true,'
        '"maxRequestMessageBytes":1024,"maxResponseMessageBytes":"4294967295","retryPolicy":{"maxAttempts":5,"initialBackoff":'
        '"0.000000001s","maxBackoff":"315576000000s","backoffMultiplier":1e30,"retryableStatusCodes":["UNAVAILABLE",14]}}]}'),
    (0, '{"methodConfig":[{"name":[{}],"hedgingPolicy":{"maxAttempts":3,"hedgingDelay":"0.1s","nonFatalStatusCodes":[]}}],'
        '"retryThrottling":{"maxTokens":1000,"tokenRatio":0.001},"healthCheckConfig":{"serviceName":"a"}}'),
    (0, '{"loadBalancingConfig":[{"unknown":7},{"outlier_detection":{"interval":"1s","successRateEjection":{"stdevFactor":1},'
        '"failurePercentageEjection":{"threshold":100},"childPolicy":[{"least_request":{"choiceCount":3}}]}}],'
        '"connectionScaling":{"maxConnectionsPerSubchannel":10}}'),
    (0, '{"loadBalancingPolicy":"ROUND_ROBIN","loadBalancingConfig":[{"pick_first":{"shuffleAddressList":true}}],"x":"\\u0041"}'),
    (1, '{"endpoints":["10.0.0.1:50051","unix:/run/a.sock",{"addresses":["[fd00::3]:1","[fe80::1%lo]:2"],"weight":"3",'
        '"priority":4294967295,"zone":"z","serverName":"s","attributes":{"a":"b"}}],"serviceConfig":{}}'),
    (1, '{"endpoints":[]}'),
    (2, 'dns://10.0.0.10:53/a.b:1'), (2, 'unix:/tmp/a%20b,c'), (2, 'ipv6:[fe80::1%25lo]:50051,[::1]'),
    (2, 'static:///1.2.3.4:5,unix-abstract:a%2Cb,unix:/x'), (2, '[::1%lo]:50051'), (2, 'unix-abstract:a%00b?c'),
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
    for target in ("binary", "json", "text", "plugin", "config"):
        (out / target).mkdir(parents=True, exist_ok=True)
    for choice, (file, message, texts) in MESSAGES.items():
        everything = [" ".join(texts[:9])] if len(texts) > 9 else []
        for number, text in enumerate(texts + everything):
            run = subprocess.run(["protoc", "-I", TESTS, "-I", FORMATS, f"--encode={message}", file], input=text.encode(),
                                 stdout=subprocess.PIPE, check=True)
            (out / "binary" / f"seed-{choice}-{number}").write_bytes(bytes([choice]) + run.stdout)
            (out / "text" / f"seed-{choice}-{number}").write_bytes(bytes([choice]) + text.encode())
    for number, (choice, text) in enumerate(JSON):
        (out / "json" / f"seed-{number}").write_bytes(bytes([choice]) + text.encode())
    for number, (choice, text) in enumerate(CONFIGS):
        (out / "config" / f"seed-{number}").write_bytes(bytes([choice]) + text.encode())
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
