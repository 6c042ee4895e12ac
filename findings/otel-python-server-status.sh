#!/usr/bin/env bash
# opentelemetry-instrumentation-grpc 0.66b2 (Python), on a server: a handler that raises an exception, and one that runs past the
# client's deadline, leave a span that says rpc.grpc.status_code = 0 and no error, though the client is told UNKNOWN and
# DEADLINE_EXCEEDED. So does a stream that raises halfway. A handler that sets INTERNAL itself leaves an error with 13.
#
# The span's code is what the handler has set in its context, and 0 until it does; what grpcio makes of an exception, and that the
# call is over before its handler, is not looked at. Dashboards of server errors that are made of these spans show none of
# the two commonest.
#
# Installs both in a temporary folder, runs them on valid calls, and fails if what comes out is not what is said here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install -q --disable-pip-version-check grpcio==1.85.3 opentelemetry-sdk==1.45.2 \
  opentelemetry-instrumentation-grpc==0.66b2

cat > calls.py <<'PYTHON'
import sys
import threading
from concurrent import futures

import grpc
from opentelemetry import trace
from opentelemetry.instrumentation.grpc import GrpcInstrumentorServer
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
GrpcInstrumentorServer().instrument()
gone = threading.Event()


def raises(request, context):
    raise ValueError("no")


def raises_later(request, context):
    yield b"one"
    raise ValueError("no")


def overruns(request, context):
    gone.wait(20)
    return b""


def says_so(request, context):
    context.set_code(grpc.StatusCode.INTERNAL)
    return b""


unary = grpc.unary_unary_rpc_method_handler
handlers = {"Raises": unary(raises), "Overruns": unary(overruns), "SaysSo": unary(says_so),
            "RaisesLater": grpc.unary_stream_rpc_method_handler(raises_later)}
server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("example.Service", handlers),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
told = {}
with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
    for name in ("Raises", "Overruns", "SaysSo"):
        try:
            channel.unary_unary(f"/example.Service/{name}")(b"", timeout=0.5 if name == "Overruns" else 20)
        except grpc.RpcError as error:
            told[name] = error.code().name
    try:
        list(channel.unary_stream("/example.Service/RaisesLater")(b"", timeout=20))
    except grpc.RpcError as error:
        told["RaisesLater"] = error.code().name
gone.set()
server.stop(20).wait()
spans = {span.name.split("/")[-1]: (span.attributes["rpc.grpc.status_code"], span.status.status_code.name)
         for span in exporter.get_finished_spans()}
for name in sorted(told):
    print(f"{name}: the client is told {told[name]}, the server's span says {spans.get(name)}")
as_said = (
    told == {"Raises": "UNKNOWN", "RaisesLater": "UNKNOWN", "Overruns": "DEADLINE_EXCEEDED", "SaysSo": "INTERNAL"}
    and spans == {"Raises": (0, "UNSET"), "RaisesLater": (0, "UNSET"), "Overruns": (0, "UNSET"), "SaysSo": (13, "ERROR")})
print("as said" if as_said else "NOT as said: the behaviour has changed")
sys.exit(0 if as_said else 1)
PYTHON
timeout 120 python/bin/python calls.py 2>/dev/null

# Output seen (2026-11-27):
#   Overruns: the client is told DEADLINE_EXCEEDED, the server's span says (0, 'UNSET')
#   Raises: the client is told UNKNOWN, the server's span says (0, 'UNSET')
#   RaisesLater: the client is told UNKNOWN, the server's span says (0, 'UNSET')
#   SaysSo: the client is told INTERNAL, the server's span says (13, 'ERROR')
#   as said
