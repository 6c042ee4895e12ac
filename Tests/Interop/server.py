"""grpc.testing.TestService on grpcio: server.py BIND [SERVER_ID] [MAX_CONNECTION_AGE_MS]. Prints LISTENING; SIGTERM drains.
With grpcio's own health and reflection: SIGUSR1 says NOT_SERVING of the server and of TestService, SIGUSR2 SERVING again.
TLS by the environment: CERT, KEY, and CLIENT_CA for mutual TLS, each a file."""

import os
import pathlib
import signal
import sys
import threading
import time
from concurrent import futures

import grpc
import stubs
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

empty_pb2, messages_pb2, test_pb2_grpc = stubs.load()
report_pb2, orca_pb2 = stubs.load_orca()
SERVICE = "grpc.testing.TestService"
INITIAL, TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"


def load_report(asked):
    return report_pb2.OrcaLoadReport(
        cpu_utilization=asked.cpu_utilization, mem_utilization=asked.memory_utilization,
        request_cost=asked.request_cost, utilization=asked.utilization)


class LoadReports:
    """xds.service.orca.v3.OpenRcaService, which grpcio's Python does not have."""

    def __init__(self):
        self.report = report_pb2.OrcaLoadReport()

    def stream(self, request, context):
        interval = max(1, request.report_interval.seconds + request.report_interval.nanos / 1e9)
        while context.is_active():
            yield self.report
            time.sleep(interval)

    def handlers(self):
        method = grpc.unary_stream_rpc_method_handler(
            self.stream, orca_pb2.OrcaLoadReportRequest.FromString, report_pb2.OrcaLoadReport.SerializeToString)
        return grpc.method_handlers_generic_handler("xds.service.orca.v3.OpenRcaService", {"StreamCoreMetrics": method})


class TestService(test_pb2_grpc.TestServiceServicer):
    def __init__(self, name, load):
        self.name = name
        self.load = load

    def begin(self, context):
        for key, value in context.invocation_metadata():
            if key == INITIAL:
                context.send_initial_metadata(((key, value),))
            elif key == TRAILING:
                context.set_trailing_metadata(((key, value),))
            elif key == "x-fault-delay-ms":
                time.sleep(int(value) / 1000)

    def status(self, request, context):
        if request.HasField("response_status") and request.response_status.code:
            code = next(c for c in grpc.StatusCode if c.value[0] == request.response_status.code)
            context.abort(code, request.response_status.message)

    def EmptyCall(self, request, context):
        self.begin(context)
        return empty_pb2.Empty()

    def UnaryCall(self, request, context):
        self.begin(context)
        self.status(request, context)
        if request.response_compressed.value:
            context.set_compression(grpc.Compression.Gzip)
        if request.HasField("orca_per_query_report"):
            report = load_report(request.orca_per_query_report).SerializeToString()
            context.set_trailing_metadata((("endpoint-load-metrics-bin", report),))
        response = messages_pb2.SimpleResponse(payload=messages_pb2.Payload(body=bytes(request.response_size)))
        if request.fill_server_id:
            response.server_id = self.name
        return response

    CacheableUnaryCall = UnaryCall

    def stream(self, request, context):
        if any(parameters.compressed.value for parameters in request.response_parameters):
            context.set_compression(grpc.Compression.Gzip)
        for parameters in request.response_parameters:
            time.sleep(parameters.interval_us / 1e6)
            if not parameters.compressed.value:
                context.disable_next_message_compression()
            yield messages_pb2.StreamingOutputCallResponse(payload=messages_pb2.Payload(body=bytes(parameters.size)))

    def StreamingOutputCall(self, request, context):
        self.begin(context)
        yield from self.stream(request, context)

    def StreamingInputCall(self, requests, context):
        self.begin(context)
        total = sum(len(request.payload.body) for request in requests)
        return messages_pb2.StreamingInputCallResponse(aggregated_payload_size=total)

    def FullDuplexCall(self, requests, context):
        self.begin(context)
        for request in requests:
            self.status(request, context)
            if request.HasField("orca_oob_report"):
                self.load.report = load_report(request.orca_oob_report)
            yield from self.stream(request, context)

    def HalfDuplexCall(self, requests, context):
        for request in list(requests):
            yield from self.stream(request, context)


def credentials():
    key, certificate, authority = (
        pathlib.Path(os.environ[name]).read_bytes() if name in os.environ else None
        for name in ("KEY", "CERT", "CLIENT_CA")
    )
    return grpc.ssl_server_credentials([(key, certificate)], authority, authority is not None)


def main():
    bind = sys.argv[1]
    name = sys.argv[2] if len(sys.argv) > 2 else f"grpcio-{os.getpid()}"
    options = [("grpc.so_reuseport", 0)]
    if len(sys.argv) > 3:
        options.append(("grpc.max_connection_age_ms", int(sys.argv[3])))
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32), options=options)
    load = LoadReports()
    test_pb2_grpc.add_TestServiceServicer_to_server(TestService(name, load), server)
    server.add_generic_rpc_handlers((load.handlers(),))
    health_servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)

    def say(status):
        for name in "", SERVICE:
            health_servicer.set(name, status)

    say(health_pb2.HealthCheckResponse.SERVING)
    signal.signal(signal.SIGUSR1, lambda *_: say(health_pb2.HealthCheckResponse.NOT_SERVING))
    signal.signal(signal.SIGUSR2, lambda *_: say(health_pb2.HealthCheckResponse.SERVING))
    reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    port = server.add_secure_port(bind, credentials()) if "CERT" in os.environ else server.add_insecure_port(bind)
    server.start()
    print(f"LISTENING {bind.rsplit(':', 1)[0]}:{port}", flush=True)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    stopped.wait()
    server.stop(25).wait()


if __name__ == "__main__":
    main()
