"""Runs the interoperability cases with grpcio as the client: client.py TARGET [CA [CERT KEY]], over TLS
with a CA's file, mutual TLS with certificate and key. Prints PASS or FAIL for each; exit code 1 if
any failed."""

import pathlib
import sys
import threading
import time
from concurrent import futures

import grpc
import stubs
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

empty_pb2, messages_pb2, test_pb2_grpc = stubs.load()
report_pb2, orca_pb2 = stubs.load_orca()
Payload = messages_pb2.Payload
Parameters = messages_pb2.ResponseParameters
Request = messages_pb2.StreamingOutputCallRequest
TIMEOUT = 30


def large(stub, **more):
    request = messages_pb2.SimpleRequest(response_size=314159, payload=Payload(body=bytes(271828)), **more)
    response = stub.UnaryCall(request, timeout=TIMEOUT)
    assert len(response.payload.body) == 314159
    return response


def fails(code, call):
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, f"{error.code()} {error.details()} instead of {code}"
        return error
    raise AssertionError(f"succeeded instead of {code}")


class Feed:
    """A request stream that is fed from outside."""

    def __init__(self):
        self.items, self.ready, self.done = [], threading.Condition(), False

    def __iter__(self):
        while True:
            with self.ready:
                while not self.items and not self.done:
                    self.ready.wait()
                if not self.items:
                    return
                item = self.items.pop(0)
            yield item

    def put(self, item):
        with self.ready:
            self.items.append(item)
            self.ready.notify()

    def finish(self):
        with self.ready:
            self.done = True
            self.ready.notify()


def empty_unary(stub, _):
    assert stub.EmptyCall(empty_pb2.Empty(), timeout=TIMEOUT) == empty_pb2.Empty()


def large_unary(stub, _):
    large(stub)


def concurrent_large_unary(stub, _):
    with futures.ThreadPoolExecutor(32) as pool:
        for call in [pool.submit(large, stub) for _ in range(1000)]:
            call.result()


def pick_first_unary(stub, _):
    assert len({large(stub, fill_server_id=True).server_id for _ in range(100)}) == 1


def client_streaming(stub, _):
    sizes = [27182, 8, 1828, 45904]
    requests = (messages_pb2.StreamingInputCallRequest(payload=Payload(body=bytes(size))) for size in sizes)
    assert stub.StreamingInputCall(requests, timeout=TIMEOUT).aggregated_payload_size == 74922


def server_streaming(stub, _):
    sizes = [31415, 9, 2653, 58979]
    request = Request(response_parameters=[Parameters(size=size) for size in sizes])
    assert [len(r.payload.body) for r in stub.StreamingOutputCall(request, timeout=TIMEOUT)] == sizes


def ping_pong(stub, _):
    feed = Feed()
    call = stub.FullDuplexCall(iter(feed), timeout=TIMEOUT)
    for size, answer in [(27182, 31415), (8, 9), (1828, 2653), (45904, 58979)]:
        feed.put(Request(response_parameters=[Parameters(size=answer)], payload=Payload(body=bytes(size))))
        assert len(next(call).payload.body) == answer
    feed.finish()
    assert list(call) == []


def empty_stream(stub, _):
    assert list(stub.FullDuplexCall(iter([]), timeout=TIMEOUT)) == []


def custom_metadata(stub, _):
    metadata = (("x-grpc-test-echo-initial", "test_initial_metadata_value"), ("x-grpc-test-echo-trailing-bin", b"\xab\xab\xab"))

    def check(call):
        assert metadata[0] in [tuple(pair) for pair in call.initial_metadata()], call.initial_metadata()
        assert metadata[1] in [tuple(pair) for pair in call.trailing_metadata()], call.trailing_metadata()

    request = messages_pb2.SimpleRequest(response_size=314159, payload=Payload(body=bytes(271828)))
    check(stub.UnaryCall.with_call(request, metadata=metadata, timeout=TIMEOUT)[1])
    call = stub.FullDuplexCall(iter([Request(response_parameters=[Parameters(size=314159)])]), metadata=metadata, timeout=TIMEOUT)
    list(call)
    check(call)


def echo_status(stub, message):
    status = messages_pb2.EchoStatus(code=2, message=message)
    request = messages_pb2.SimpleRequest(response_status=status)
    error = fails(grpc.StatusCode.UNKNOWN, lambda: stub.UnaryCall(request, timeout=TIMEOUT))
    assert error.details() == message, repr(error.details())
    error = fails(grpc.StatusCode.UNKNOWN, lambda: list(stub.FullDuplexCall(iter([Request(response_status=status)]), timeout=TIMEOUT)))
    assert error.details() == message, repr(error.details())


def status_code_and_message(stub, _):
    echo_status(stub, "test status message")


def special_status_message(stub, _):
    echo_status(stub, "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n")


def unimplemented_method(stub, _):
    fails(grpc.StatusCode.UNIMPLEMENTED, lambda: stub.UnimplementedCall(empty_pb2.Empty(), timeout=TIMEOUT))


def unimplemented_service(_, channel):
    stub = test_pb2_grpc.UnimplementedServiceStub(channel)
    fails(grpc.StatusCode.UNIMPLEMENTED, lambda: stub.UnimplementedCall(empty_pb2.Empty(), timeout=TIMEOUT))


def cancel_after_begin(stub, _):
    call = stub.StreamingInputCall.future(iter(Feed()), timeout=TIMEOUT)
    call.cancel()
    assert call.cancelled()


def cancel_after_first_response(stub, _):
    feed = Feed()
    call = stub.FullDuplexCall(iter(feed), timeout=TIMEOUT)
    feed.put(Request(response_parameters=[Parameters(size=31415)], payload=Payload(body=bytes(27182))))
    next(call)
    call.cancel()
    fails(grpc.StatusCode.CANCELLED, lambda: next(call))


def timeout_on_sleeping_server(stub, _):
    request = Request(response_parameters=[Parameters(size=1, interval_us=500_000)])
    fails(grpc.StatusCode.DEADLINE_EXCEEDED, lambda: list(stub.FullDuplexCall(iter([request]), timeout=0.05)))


def expected(value):
    return messages_pb2.BoolValue(value=value)


def client_compressed_unary(stub, _):
    def call(said, **options):
        request = messages_pb2.SimpleRequest(
            response_size=314159, payload=Payload(body=bytes(271828)), expect_compressed=expected(said))
        return stub.UnaryCall(request, timeout=TIMEOUT, **options)

    fails(grpc.StatusCode.INVALID_ARGUMENT, lambda: call(True))
    for algorithm in grpc.Compression.Gzip, grpc.Compression.Deflate:
        assert len(call(True, compression=algorithm).payload.body) == 314159
        fails(grpc.StatusCode.INVALID_ARGUMENT, lambda: call(False, compression=algorithm))
    assert len(call(False).payload.body) == 314159


def client_compressed_streaming(stub, _):
    def request(size, said):
        return messages_pb2.StreamingInputCallRequest(payload=Payload(body=bytes(size)), expect_compressed=expected(said))

    fails(grpc.StatusCode.INVALID_ARGUMENT, lambda: stub.StreamingInputCall(iter([request(27182, True)]), timeout=TIMEOUT))
    response = stub.StreamingInputCall(
        iter([request(27182, True), request(45904, True)]), timeout=TIMEOUT, compression=grpc.Compression.Gzip)
    assert response.aggregated_payload_size == 73086


def server_compressed_unary(stub, _):
    for said in True, False:
        large(stub, response_compressed=expected(said))


def server_compressed_streaming(stub, _):
    parameters = [Parameters(size=31415, compressed=expected(True)), Parameters(size=92653, compressed=expected(False))]
    request = Request(response_parameters=parameters)
    assert [len(r.payload.body) for r in stub.StreamingOutputCall(request, timeout=TIMEOUT)] == [31415, 92653]


def rpc_soak(stub, _):
    for _ in range(10):
        large(stub)


def health_check(_, channel):
    stub, request = health_pb2_grpc.HealthStub(channel), health_pb2.HealthCheckRequest
    assert stub.Check(request(), timeout=TIMEOUT).status == health_pb2.HealthCheckResponse.SERVING
    fails(grpc.StatusCode.NOT_FOUND, lambda: stub.Check(request(service="no.such.Service"), timeout=TIMEOUT))


def health_list(_, channel):
    response = health_pb2_grpc.HealthStub(channel).List(health_pb2.HealthListRequest(), timeout=TIMEOUT)
    assert response.statuses[""].status == health_pb2.HealthCheckResponse.SERVING, response


def health_watch(_, channel):
    stub = health_pb2_grpc.HealthStub(channel)
    for name, status in [("", "SERVING"), ("no.such.Service", "SERVICE_UNKNOWN")]:
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=name), timeout=TIMEOUT)
        first = health_pb2.HealthCheckResponse.ServingStatus.Name(next(watch).status)
        assert first == status, first
        stub.Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT)
        watch.cancel()
        fails(grpc.StatusCode.CANCELLED, lambda: next(watch))


def server_reflection(_, channel):
    """A call with nothing but what the server tells, by grpcio-reflection's client; then the same questions on one stream
    under both of the service's names."""
    database = ProtoReflectionDescriptorDatabase(channel)
    assert "grpc.testing.TestService" in database.get_services()
    pool = descriptor_pool.DescriptorPool(database)
    method = pool.FindServiceByName("grpc.testing.TestService").FindMethodByName("UnaryCall")
    request, response = (message_factory.GetMessageClass(kind) for kind in (method.input_type, method.output_type))
    call = channel.unary_unary(
        "/grpc.testing.TestService/UnaryCall",
        request_serializer=request.SerializeToString, response_deserializer=response.FromString)
    assert len(call(request(response_size=314), timeout=TIMEOUT).payload.body) == 314
    Ask, Answer = reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse
    questions = [
        Ask(host="here", list_services="*"), Ask(file_containing_symbol="no.such.Symbol"),
        Ask(file_containing_symbol="grpc.testing.TestService"), Ask(file_by_filename="no/such.proto"), Ask(),
    ]
    for version in "v1", "v1alpha":
        stream = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=Ask.SerializeToString, response_deserializer=Answer.FromString)
        answers = list(stream(iter(questions), timeout=TIMEOUT))
        assert [answer.original_request for answer in answers] == questions, answers
        assert answers[0].valid_host == "here"
        kinds = [answer.WhichOneof("message_response") for answer in answers]
        error = "error_response"
        assert kinds == ["list_services_response", error, "file_descriptor_response", error, error], kinds
        assert [answers[index].error_response.error_code for index in (1, 3, 4)] == [5, 5, 3], answers


def orca_reports():
    """What the test's requests ask for, and what has to come for it."""
    for cpu, memory, util in ((0.8210, 0.5847, 0.30499), (0.29309, 0.2, 0.2039)):
        asked = messages_pb2.TestOrcaReport(cpu_utilization=cpu, memory_utilization=memory, utilization={"util": util})
        yield asked, report_pb2.OrcaLoadReport(cpu_utilization=cpu, mem_utilization=memory, utilization={"util": util})


def orca_oob(stub, channel):
    """Without a policy: grpcio's have no way in. It keeps calls' reports to its own policies, too, which weighted.py tries."""
    watch = channel.unary_stream(
        "/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics",
        request_serializer=orca_pb2.OrcaLoadReportRequest.SerializeToString,
        response_deserializer=report_pb2.OrcaLoadReport.FromString)
    request = orca_pb2.OrcaLoadReportRequest()
    request.report_interval.seconds = 1
    came = watch(request, timeout=TIMEOUT)
    feed = Feed()
    call = stub.FullDuplexCall(iter(feed), timeout=TIMEOUT)
    for asked, wanted in orca_reports():
        feed.put(Request(response_parameters=[Parameters(size=1)], orca_oob_report=asked))
        next(call)
        begun = time.monotonic()
        while next(came) != wanted:
            assert time.monotonic() < begun + 10, "the report has not come within 10 s"
    feed.finish()
    assert list(call) == []
    came.cancel()


CASES = [
    empty_unary, large_unary, concurrent_large_unary, pick_first_unary, client_streaming, server_streaming, ping_pong,
    empty_stream, custom_metadata, status_code_and_message, special_status_message, unimplemented_method,
    unimplemented_service, cancel_after_begin, cancel_after_first_response, timeout_on_sleeping_server, client_compressed_unary,
    client_compressed_streaming, server_compressed_unary, server_compressed_streaming, rpc_soak,
    health_check, health_list, health_watch, server_reflection, orca_oob,
]


def open_channel():
    if len(sys.argv) < 3:
        return grpc.insecure_channel(sys.argv[1])
    authority, *own = [pathlib.Path(path).read_bytes() for path in sys.argv[2:]]
    credentials = grpc.ssl_channel_credentials(authority, *reversed(own))
    return grpc.secure_channel(sys.argv[1], credentials)


def main():
    failed = False
    for case in CASES:
        with open_channel() as channel:
            try:
                case(test_pb2_grpc.TestServiceStub(channel), channel)
                print(f"PASS {case.__name__}", flush=True)
            except Exception as error:
                failed = True
                print(f"FAIL {case.__name__}: {error!r}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
