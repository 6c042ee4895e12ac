"""One trace across two languages, by opentelemetry's own instrumentation of grpcio.

  telemetry.py server               prints LISTENING; SIGTERM ends it. /test.Traced/Where answers with a line of JSON: the trace of the
                                    handler's span, the span itself and its parent
  telemetry.py client TARGET        calls /test.Traced/Relay there, within a span of its own, and prints a line of JSON: the trace, the
                                    client's spans, and what was answered
"""

import json
import sys

import grpc
from opentelemetry import trace
from opentelemetry.instrumentation.grpc import GrpcInstrumentorClient, GrpcInstrumentorServer
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from serving import serve

exporter = InMemorySpanExporter()


def set_up():
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    GrpcInstrumentorServer().instrument()
    GrpcInstrumentorClient().instrument()


def where(request, context):
    span = trace.get_current_span()
    return json.dumps({
        "trace": f"{span.get_span_context().trace_id:032x}",
        "span": f"{span.get_span_context().span_id:016x}",
        "parent": f"{span.parent.span_id:016x}" if span.parent else None,
    }).encode()


def call(target):
    with trace.get_tracer("test").start_as_current_span("test") as span, grpc.insecure_channel(target) as channel:
        answer = channel.unary_unary("/test.Traced/Relay")(b"", timeout=30)
        trace_id = f"{span.get_span_context().trace_id:032x}"
    spans = {span.name: f"{span.context.span_id:016x}" for span in exporter.get_finished_spans()}
    print(json.dumps({"trace": trace_id, "spans": spans, "answer": json.loads(answer)}))


set_up()
if sys.argv[1] == "server":
    serve("test.Traced", {"Where": grpc.unary_unary_rpc_method_handler(where)})
else:
    call(sys.argv[2])
