"""Server reflection as grpcio-reflection's client sees it: reflection.py TARGET. Asks for every file that a service's file
imports or a symbol is in, under both of the service's names, and for every name that those files declare; builds them all in
a pool, and prints how much there was of each kind."""

import collections
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

Ask, Answer = reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse
VERSIONS = "v1", "v1alpha"
# Of files that no service's file imports.
MORE = ["volery.tests.Old", "volery.tests.nasty.Nasty", "google.rpc.BadRequest"]


def files_of(answer):
    return [descriptor_pb2.FileDescriptorProto.FromString(data) for data in answer.file_descriptor_response.file_descriptor_proto]


def ask(channel, version, questions):
    stream = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=Ask.SerializeToString, response_deserializer=Answer.FromString)
    answers = list(stream(iter(questions), timeout=60))
    assert [answer.original_request for answer in answers] == questions
    for answer in answers:
        assert answer.WhichOneof("message_response") != "error_response", answer
    return answers


def symbols(file):
    """Full names of what a file declares, with their kinds; its extensions as (message, number)."""
    package = file.package + "." if file.package else ""

    def enums(values, scope):
        for value in values:
            yield "enum", scope + value.name
            yield from (("enum value", scope + each.name) for each in value.value)

    def extensions(fields, scope):
        for field in fields:
            yield "extension", scope + field.name
            yield "extension number", (field.extendee.lstrip("."), field.number)

    def messages(values, scope):
        for value in values:
            own = f"{scope}{value.name}."
            yield "message", scope + value.name
            yield from (("field", own + field.name) for field in value.field)
            yield from (("oneof", own + oneof.name) for oneof in value.oneof_decl)
            yield from enums(value.enum_type, own)
            yield from extensions(value.extension, own)
            yield from messages(value.nested_type, own)

    yield from messages(file.message_type, package)
    yield from enums(file.enum_type, package)
    yield from extensions(file.extension, package)
    for service in file.service:
        yield "service", package + service.name
        yield from (("method", f"{package}{service.name}.{method.name}") for method in service.method)


def main():
    channel = grpc.insecure_channel(sys.argv[1])
    database = ProtoReflectionDescriptorDatabase(channel)
    services = database.get_services()
    files = {}
    for answer in ask(channel, "v1", [Ask(file_containing_symbol=name) for name in [*services, *MORE]]):
        for file in files_of(answer):
            files[file.name] = file
    for file in files.values():
        assert set(file.dependency) <= set(files), f"{file.name} imports {file.dependency}"
    questions, wanted, counts = [], [], collections.Counter(file=len(files), service=0)
    for file in files.values():
        for kind, name in [("file", file.name), *symbols(file)]:
            if kind == "extension number":
                extension = reflection_pb2.ExtensionRequest(containing_type=name[0], extension_number=name[1])
                questions.append(Ask(file_containing_extension=extension))
            elif kind == "file":
                questions.append(Ask(file_by_filename=name))
            else:
                questions.append(Ask(file_containing_symbol=name))
            wanted.append(file.name)
            if kind != "file":
                counts[kind] += 1
    for version in VERSIONS:
        answers = [files_of(answer)[0].name for answer in ask(channel, version, questions)]
        wrong = [(question, answer) for question, answer, right in zip(questions, answers, wanted) if answer != right]
        assert not wrong, wrong[:5]
    # protobuf's own pool takes them all, fed by grpcio's own client.
    pool = descriptor_pool.DescriptorPool(database)
    for name in services:
        service = pool.FindServiceByName(name)
        for method in service.methods:
            assert method.input_type and method.output_type
    for file in files:
        pool.FindFileByName(file)
    declared = [each for file in files.values() for each in symbols(file)]
    messages = {name for kind, name in declared if kind == "message"}
    extensions = [name for kind, name in declared if kind == "extension number"]
    for message in {message for message, _ in extensions} & messages:
        numbers = {number for extended, number in extensions if extended == message}
        assert set(database.FindAllExtensionNumbers(message)) == numbers, message
        assert {field.number for field in pool.FindAllExtensions(pool.FindMessageTypeByName(message))} == numbers, message
    try:
        database.FindFileContainingSymbol("no.such.Symbol")
        raise AssertionError("a symbol that nobody has is known")
    except KeyError:
        pass
    print("; ".join(f"{kind} {count}" for kind, count in sorted(counts.items())))


if __name__ == "__main__":
    main()
