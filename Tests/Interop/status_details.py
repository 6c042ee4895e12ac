"""google.rpc.Status with details, by grpcio-status. The request of /test.Details/Fail and /test.Details/FailLater is a
status as JSON, and the call ends with it; FailLater answers with one message before.

  status_details.py server               prints LISTENING; SIGTERM ends it
  status_details.py client TARGET JSON   calls both, and prints the status that either ended with as a line of JSON
"""

import sys

import grpc
from google.protobuf import duration_pb2, json_format  # noqa: F401
from google.rpc import error_details_pb2, status_pb2  # noqa: F401
from grpc_status import rpc_status

from serving import serve


def fail(request, context):
    context.abort_with_status(rpc_status.to_status(json_format.Parse(request, status_pb2.Status())))


def fail_later(request, context):
    yield b"one"
    fail(request, context)


def status_of(call):
    """Of a call that has failed. `from_call` refuses details that contradict the call's own code and message."""
    status = rpc_status.from_call(call)
    return "none" if status is None else json_format.MessageToJson(status, indent=None)


def call(target, text):
    with grpc.insecure_channel(target) as channel:
        try:
            channel.unary_unary("/test.Details/Fail")(text.encode(), timeout=30)
        except grpc.RpcError as error:
            print(status_of(error))
        stream = channel.unary_stream("/test.Details/FailLater")(text.encode(), timeout=30)
        try:
            assert next(stream) == b"one"
            next(stream)
        except grpc.RpcError as error:
            print(status_of(error))


if __name__ == "__main__":
    if sys.argv[1] == "server":
        handlers = {
            "Fail": grpc.unary_unary_rpc_method_handler(fail),
            "FailLater": grpc.unary_stream_rpc_method_handler(fail_later),
        }
        serve("test.Details", handlers)
    else:
        call(*sys.argv[2:])
