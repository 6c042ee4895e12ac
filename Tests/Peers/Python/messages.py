"""The messages of Protos/grpc, made from their descriptors: no generated code, whatever the protobuf package's age.

`make peers` has protoc write the descriptors; the variable PEERS_DESCRIPTORS names their file."""

import os
import pathlib
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

DEFAULT = pathlib.Path(__file__).resolve().parents[3] / ".build/peers/testing.binpb"


class Method(NamedTuple):
    """How one method of the schema is called."""

    service: str
    name: str
    request: type
    response: type
    streams_requests: bool
    streams_responses: bool

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.name}"


def _load() -> tuple[dict[str, Any], dict[str, Method], descriptor_pool.DescriptorPool]:
    files = descriptor_pb2.FileDescriptorSet()
    files.ParseFromString(pathlib.Path(os.environ.get("PEERS_DESCRIPTORS", DEFAULT)).read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    classes = message_factory.GetMessageClassesForFiles([file.name for file in files.file], pool)
    methods = {}
    for file in files.file:
        for service in file.service:
            for method in service.method:
                found = Method(
                    f"{file.package}.{service.name}",
                    method.name,
                    classes[method.input_type.lstrip(".")],
                    classes[method.output_type.lstrip(".")],
                    method.client_streaming,
                    method.server_streaming,
                )
                methods[f"{service.name}.{method.name}"] = found
    return {name.rsplit(".", 1)[1]: made for name, made in classes.items()}, methods, pool


_classes, METHODS, POOL = _load()

BoolValue = _classes["BoolValue"]
EchoStatus = _classes["EchoStatus"]
Empty = _classes["Empty"]
Payload = _classes["Payload"]
ResponseParameters = _classes["ResponseParameters"]
SimpleRequest = _classes["SimpleRequest"]
SimpleResponse = _classes["SimpleResponse"]
StreamingInputCallRequest = _classes["StreamingInputCallRequest"]
StreamingInputCallResponse = _classes["StreamingInputCallResponse"]
StreamingOutputCallRequest = _classes["StreamingOutputCallRequest"]
StreamingOutputCallResponse = _classes["StreamingOutputCallResponse"]

EMPTY_CALL = METHODS["TestService.EmptyCall"]
UNARY_CALL = METHODS["TestService.UnaryCall"]
INPUT_CALL = METHODS["TestService.StreamingInputCall"]
OUTPUT_CALL = METHODS["TestService.StreamingOutputCall"]
DUPLEX_CALL = METHODS["TestService.FullDuplexCall"]
CHECK = METHODS["Health.Check"]
LIST = METHODS["Health.List"]
WATCH = METHODS["Health.Watch"]
REFLECTION = METHODS["ServerReflection.ServerReflectionInfo"]
UNIMPLEMENTED_CALL = METHODS["TestService.UnimplementedCall"]
UNIMPLEMENTED_SERVICE_CALL = METHODS["UnimplementedService.UnimplementedCall"]


def payload(size: int) -> Any:
    return Payload(body=bytes(size))
