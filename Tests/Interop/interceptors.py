"""Calls without a .proto, whose other end has interceptors.

  interceptors.py server            prints LISTENING; SIGTERM ends it. /test.Mirror/* answers with what it is sent; its initial metadata
                                    has x-seen, the values of x-mark that came, and its trailing metadata x-end
  interceptors.py client TARGET     makes such calls, and prints a line of JSON for each: its name, messages, code, details, metadata
"""

import json
import sys

import grpc

from serving import serve

SERVICE = "test.Mirror"


def see(context):
    marks = [value for key, value in context.invocation_metadata() if key == "x-mark"]
    context.send_initial_metadata((("x-seen", ",".join(marks)),))
    context.set_trailing_metadata((("x-end", "end"),))


def unary(request, context):
    see(context)
    return request


def count(request, context):
    see(context)
    for number in range(request[0]):
        yield bytes([number])


def collect(requests, context):
    see(context)
    return b"".join(requests)


def chat(requests, context):
    see(context)
    yield from requests


def fails(request, context):
    see(context)
    context.abort(grpc.StatusCode.NOT_FOUND, "nothing here")


def report(name, call, messages):
    try:
        received = [list(message) for message in messages(call)]
    except grpc.RpcError:
        received = []
    initial, trailing = dict(call.initial_metadata()), dict(call.trailing_metadata())
    print(json.dumps({
        "name": name, "messages": received, "code": call.code().name, "details": call.details() or "",
        "seen": initial.get("x-seen", ""), "end": trailing.get("x-end", ""), "hint": trailing.get("x-hint", ""),
    }), flush=True)


def calls(target):
    options = {"timeout": 30}
    with grpc.insecure_channel(target) as channel:
        def one(name, method, request=b"\x05", metadata=()):
            call = channel.unary_unary(f"/{method}").future(request, metadata=metadata, **options)
            report(name, call, lambda call: [call.result()])

        one("unary", f"{SERVICE}/Unary")
        report("count", channel.unary_stream(f"/{SERVICE}/Count")(b"\x03", **options), list)
        collect = channel.stream_unary(f"/{SERVICE}/Collect").future(iter([b"\x01", b"\x02"]), **options)
        report("collect", collect, lambda call: [call.result()])
        report("chat", channel.stream_stream(f"/{SERVICE}/Chat")(iter([b"\x01", b"\x02"]), **options), list)
        one("fails", f"{SERVICE}/Fails")
        one("cached", f"{SERVICE}/Unary", metadata=(("x-cache", "1"),))
        report(
            "cached stream",
            channel.unary_stream(f"/{SERVICE}/Count")(b"\x03", metadata=(("x-cache", "1"),), **options), list)
        one("refused", f"{SERVICE}/Unary", metadata=(("x-refuse", "1"),))
        one("broken", f"{SERVICE}/Unary", metadata=(("x-break", "1"),))
        one("idle", f"{SERVICE}/Unary", metadata=(("x-idle", "1"),))
        one("unknown", "test.Nobody/Knows")


if __name__ == "__main__":
    if sys.argv[1] == "server":
        serve(SERVICE, {
            "Unary": grpc.unary_unary_rpc_method_handler(unary),
            "Count": grpc.unary_stream_rpc_method_handler(count),
            "Collect": grpc.stream_unary_rpc_method_handler(collect),
            "Chat": grpc.stream_stream_rpc_method_handler(chat),
            "Fails": grpc.unary_unary_rpc_method_handler(fails),
        })
    else:
        calls(sys.argv[2])
