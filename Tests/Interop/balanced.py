"""Asks a `volery-interop xds-client` of its calls, as grpc's test driver does (grpcio's stubs).

    balanced.py shares PROGRAM           starts servers on grpcio that count their calls, and a client for them: holds what it
                                         tells against what they have counted
    balanced.py ask PORT NUMBER          where the next calls go, as a line of JSON: {"METHOD": {"PEER": CALLS}}
"""

import importlib
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from concurrent import futures

import grpc
import stubs

empty_pb2, messages_pb2, test_pb2_grpc = stubs.load()
stats_pb2 = importlib.import_module("interop.load_balancer_stats_pb2")
stats_pb2_grpc = importlib.import_module("interop.load_balancer_stats_pb2_grpc")
NO_PROXY = [("grpc.enable_http_proxy", 0)]
EMPTY, UNARY = stats_pb2.ClientConfigureRequest.EMPTY_CALL, stats_pb2.ClientConfigureRequest.UNARY_CALL


class Pod(test_pb2_grpc.TestServiceServicer):
    def __init__(self, name):
        self.name = name
        self.lock = threading.Lock()
        self.calls = Counter()
        self.metadata = Counter()
        self.failing = None
        self.server = grpc.server(futures.ThreadPoolExecutor(8))
        test_pb2_grpc.add_TestServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def count(self, method, context):
        with self.lock:
            self.calls[method] += 1
            self.metadata.update(f"{method} {k}={v}" for k, v in context.invocation_metadata() if k.startswith("xds_md"))
        context.set_trailing_metadata((("x-pod", f"of {self.name}"),))
        if self.failing:
            context.abort(self.failing, "told to")

    def EmptyCall(self, request, context):
        context.send_initial_metadata((("hostname", self.name),))
        self.count("EmptyCall", context)
        return empty_pb2.Empty()

    def UnaryCall(self, request, context):
        self.count("UnaryCall", context)
        return messages_pb2.SimpleResponse(hostname=self.name)


class Client:
    """The client under test, and what it is asked."""

    running = []

    def __init__(self, program, target, *flags):
        self.process = subprocess.Popen(
            [program, "xds-client", "--server", target, "--stats_port=0", *flags], stdout=subprocess.PIPE, text=True)
        Client.running.append(self.process)
        line = self.process.stdout.readline()
        assert line.startswith("LISTENING "), line
        # What nobody reads would hold it up.
        self.lines = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout))
        self.reader.start()
        self.ask(int(line.rsplit(":", 1)[1]))

    def ask(self, port):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=NO_PROXY)
        self.stats = stats_pb2_grpc.LoadBalancerStatsServiceStub(self.channel)
        # grpcio tells of the headers before the message only where there may be several.
        self.early = self.channel.unary_stream(
            "/grpc.testing.LoadBalancerStatsService/GetClientStats", stats_pb2.LoadBalancerStatsRequest.SerializeToString,
            stats_pb2.LoadBalancerStatsResponse.FromString)
        self.configuring = stats_pb2_grpc.XdsUpdateClientConfigureServiceStub(self.channel)
        return self

    def configure(self, types, metadata=(), timeout=0):
        entries = [stats_pb2.ClientConfigureRequest.Metadata(type=t, key=k, value=v) for t, k, v in metadata]
        self.configuring.Configure(
            stats_pb2.ClientConfigureRequest(types=types, metadata=entries, timeout_sec=timeout), timeout=30)

    def accumulated(self):
        return self.stats.GetClientAccumulatedStats(stats_pb2.LoadBalancerAccumulatedStatsRequest(), timeout=30)

    def quiet(self):
        """Makes no calls any more, and has none; what it has made in all, by method."""
        self.configure([])
        until("its calls have ended", lambda: all(
            stats.rpcs_started == sum(stats.result.values())
            for stats in self.accumulated().stats_per_method.values()))
        return self.accumulated()

    def next(self, number, limit=60, keys=()):
        request = stats_pb2.LoadBalancerStatsRequest(num_rpcs=number, timeout_sec=limit, metadata_keys=keys)
        return self.stats.GetClientStats(request, timeout=limit + 30)

    def counting(self, number, limit=60):
        """Returns once calls count; the answer is what it yields."""
        request = stats_pb2.LoadBalancerStatsRequest(num_rpcs=number, timeout_sec=limit)
        found = self.early(request, timeout=limit + 30)
        found.initial_metadata()
        return found

    def end(self):
        self.channel.close()
        self.process.terminate()
        code = self.process.wait(timeout=30)
        self.reader.join()
        return code, "".join(self.lines)


def until(what, condition, limit=60):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.02)


def counted(pods):
    return {pod.name: dict(pod.calls) for pod in pods}


def whole_block(client, pods, types, number):
    """All calls of a time, as the client tells of them and as the servers have counted them: it makes none before, and none
    after. It asks for more than there will be, and gets what there was when its time has passed."""
    client.quiet()
    for limit in (5, 15, 45):
        for pod in pods:
            pod.calls.clear()
        more = 1_000_000
        found = client.counting(more, limit)
        client.configure(types)
        until(f"{number} calls", lambda: sum(sum(pod.calls.values()) for pod in pods) >= number)
        client.quiet()
        if found.done():
            continue  # The machine stalls; once more, with more time.
        servers = counted(pods)
        told = next(found)
        by_method = {
            pod: {method: told.rpcs_by_method[method].rpcs_by_peer[pod] for method in servers[pod]} for pod in servers}
        assert by_method == servers, (by_method, servers)
        assert dict(told.rpcs_by_peer) == {pod: sum(calls.values()) for pod, calls in servers.items()}, told
        assert told.num_failures == more - sum(told.rpcs_by_peer.values())
        return servers
    raise AssertionError("the calls took longer than 45 s")


def shares(program):
    pods = [Pod(f"pod-{number}") for number in range(1, 5)]
    target = "ipv4:" + ",".join(f"127.0.0.1:{pod.port}" for pod in pods)
    client = Client(
        program, target, "--num_channels=1", "--qps=100", "--rpc=UnaryCall", "--metadata=UnaryCall:xds_md:first", "--print_response",
        "--lb=round_robin")
    until("each pod is called", lambda: all(pod.calls for pod in pods))
    # As the driver does it: a block of calls in a row, which are even.
    told = client.next(100, keys=["x-POD"])
    assert sum(told.rpcs_by_peer.values()) == 100 and told.num_failures == 0, told
    assert all(24 <= told.rpcs_by_peer[pod.name] <= 26 for pod in pods), told
    for pod in pods:
        entries = [[(e.key, e.value, e.type) for e in rpc.metadata] for rpc in told.metadatas_by_peer[pod.name].rpc_metadata]
        trailing = stats_pb2.LoadBalancerStatsResponse.TRAILING
        assert entries == [[("x-pod", f"of {pod.name}", trailing)]] * told.rpcs_by_peer[pod.name], entries
    print("100 in a row:", *sorted(told.rpcs_by_peer.values()))

    servers = whole_block(client, pods, [UNARY], 300)
    print("one method:", sum(calls["UnaryCall"] for calls in servers.values()), "calls, each where its server has counted it")
    for pod in pods:
        pod.metadata.clear()
    servers = whole_block(client, pods, [EMPTY, UNARY], 200)
    assert set().union(*servers.values()) == {"EmptyCall", "UnaryCall"}, servers
    print("two methods:", sum(sum(calls.values()) for calls in servers.values()), "calls, the same")
    assert not any(pod.metadata for pod in pods), "the metadata of the flags is no more, once it is configured"

    # Metadata by method, and what fails.
    before = client.quiet()
    client.configure([EMPTY, UNARY], [(EMPTY, "xds_md", "e"), (UNARY, "xds_md", "u")], timeout=10)
    until("both have come", lambda: all(
        sum(pod.metadata[text] for pod in pods) for text in ("EmptyCall xds_md=e", "UnaryCall xds_md=u")))
    assert sum(pod.metadata[text] for pod in pods for text in ("EmptyCall xds_md=u", "UnaryCall xds_md=e")) == 0
    client.quiet()
    for pod in pods:
        pod.failing = grpc.StatusCode.INVALID_ARGUMENT
    before = client.quiet()
    found = client.counting(40)
    client.configure([UNARY])
    told = next(found)
    assert told.num_failures == 40 and not told.rpcs_by_peer, told
    after = client.quiet()
    unary = after.stats_per_method["UNARY_CALL"]
    failed = unary.result[3] - before.stats_per_method["UNARY_CALL"].result.get(3, 0)
    assert failed >= 40 and after.num_rpcs_failed_by_method["UNARY_CALL"] == unary.result[3]
    assert unary.rpcs_started == unary.result[0] + unary.result[3] == after.num_rpcs_started_by_method["UNARY_CALL"]
    assert after.num_rpcs_succeeded_by_method["UNARY_CALL"] == unary.result[0]
    assert after.stats_per_method["EMPTY_CALL"].result[0] == after.num_rpcs_succeeded_by_method["EMPTY_CALL"] > 0
    print("accumulated: started, succeeded and failed add up, by status")
    for request in (dict(num_rpcs=0, timeout_sec=1), dict(num_rpcs=1), dict(num_rpcs=2_000_000, timeout_sec=1)):
        try:
            client.stats.GetClientStats(stats_pb2.LoadBalancerStatsRequest(**request), timeout=30)
            raise SystemExit(f"{request} was answered")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
    code, output = client.end()
    assert code == 0 and "UnaryCall OK pod-1" in output and "EmptyCall OK pod-4" in output, (code, output[-500:])

    # What must fail does, and is no failure then.
    client = Client(program, target, "--qps=50", "--rpc=UnaryCall", "--expect_status=INVALID_ARGUMENT", "--fail_on_failed_rpcs=true")
    until("calls have ended as they should", lambda: client.accumulated().num_rpcs_succeeded_by_method["UNARY_CALL"] > 10)
    assert client.accumulated().num_rpcs_failed_by_method["UNARY_CALL"] == 0
    for pod in pods:
        pod.failing = None
    assert client.process.wait(timeout=60) == 1, "a call that does not end with it ends the client"
    client.end()
    print("--expect_status and --fail_on_failed_rpcs: as they say")
    for pod in pods:
        pod.server.stop(0)


def main():
    if sys.argv[1] == "shares":
        return shares(sys.argv[2])
    client = Client.__new__(Client).ask(int(sys.argv[2]))
    told = client.next(int(sys.argv[3]), limit=120)
    assert told.num_failures == 0, told
    print(json.dumps({method: dict(calls.rpcs_by_peer) for method, calls in told.rpcs_by_method.items()}))


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        # Threads of servers and clients would go on.
        traceback.print_exc()
        for process in Client.running:
            process.kill()
        os._exit(1)
