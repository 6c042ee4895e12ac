"""A control plane for tests: serves over ADS (state of the world) what it is told through the named pipe COMMANDS, line by
line:

    {"set": "cluster", "resources": [{...}, ...]}   the whole set of a type, in protobuf's JSON; replaces the one before
    {"start": PORT}                                 listens; 0 for any port. Prints "LISTENING PORT"

and prints "ACK TYPE" or "NACK TYPE DETAIL" for each request that answers a response. With `--client TARGET PATH COUNT` it is a
client instead: grpcio's own xDS client, which makes calls and prints how many each server has answered, as JSON. With `--status
TARGET` it prints what the process there says of its resources (CSDS), as JSON. Each load report (LRS) is printed as "LOAD JSON".
"""

import collections
import concurrent.futures
import json
import queue
import sys
import threading

import grpc
from google.protobuf import any_pb2, json_format
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.clusters.aggregate.v3 import cluster_pb2 as _aggregate  # noqa: F401
from envoy.extensions.filters.http.fault.v3 import fault_pb2 as _fault  # noqa: F401
from envoy.extensions.filters.http.router.v3 import router_pb2 as _router  # noqa: F401
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as _manager  # noqa: F401
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2 as _tls  # noqa: F401
from envoy.service.load_stats.v3 import lrs_pb2, lrs_pb2_grpc
from envoy.service.status.v3 import csds_pb2, csds_pb2_grpc
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

TYPES = {
    "listener": listener_pb2.Listener,
    "routes": route_pb2.RouteConfiguration,
    "cluster": cluster_pb2.Cluster,
    "endpoints": endpoint_pb2.ClusterLoadAssignment,
}
URLS = {"type.googleapis.com/" + message.DESCRIPTOR.full_name: name for name, message in TYPES.items()}


def say(text):
    print(text, flush=True)


class World:
    def __init__(self):
        self.lock = threading.Lock()
        self.resources = {name: {} for name in TYPES}
        self.versions = collections.Counter()
        self.streams = set()

    def set(self, name, resources):
        packed = {}
        for resource in resources:
            message = json_format.ParseDict(resource, TYPES[name]())
            box = any_pb2.Any()
            box.Pack(message)
            packed[message.cluster_name if name == "endpoints" else message.name] = box
        with self.lock:
            self.resources[name] = packed
            self.versions[name] += 1
            streams = list(self.streams)
        for stream in streams:
            stream.put(("changed", name))


class Control(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):
    def __init__(self, world):
        self.world = world

    def StreamAggregatedResources(self, requests, context):
        events = queue.Queue()
        with self.world.lock:
            self.world.streams.add(events)

        def read():
            try:
                for request in requests:
                    events.put(("request", request))
            except grpc.RpcError:
                pass
            events.put(("end", None))

        threading.Thread(target=read, daemon=True).start()
        wanted = {}
        number = 0
        try:
            while True:
                kind, value = events.get()
                if kind == "end":
                    return
                if kind == "request":
                    name = URLS.get(value.type_url)
                    if name is None:
                        continue
                    if value.response_nonce:
                        detail = value.error_detail.message
                        say("NACK %s %s" % (name, detail.replace("\n", " ")) if detail else "ACK %s" % name)
                    names = list(value.resource_names)
                    if wanted.get(name) == names:
                        continue
                    wanted[name] = names
                    if not names:
                        continue
                elif value in wanted and wanted[value]:
                    name = value
                else:
                    continue
                with self.world.lock:
                    there = self.world.resources[name]
                    version = self.world.versions[name]
                    boxes = [there[key] for key in wanted[name] if key in there]
                number += 1
                yield discovery_pb2.DiscoveryResponse(
                    version_info=str(version), resources=boxes, nonce=str(number),
                    type_url="type.googleapis.com/" + TYPES[name].DESCRIPTOR.full_name)
        finally:
            with self.world.lock:
                self.world.streams.discard(events)


class LoadReports(lrs_pb2_grpc.LoadReportingServiceServicer):
    def StreamLoadStats(self, requests, context):
        for request in requests:
            if request.HasField("node"):
                answer = lrs_pb2.LoadStatsResponse(send_all_clusters=True)
                answer.load_reporting_interval.seconds = 1
                yield answer
            say("LOAD " + json.dumps(json_format.MessageToDict(request, preserving_proto_field_name=True)))


def serve(commands):
    world = World()
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=16))
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(Control(world), server)
    lrs_pb2_grpc.add_LoadReportingServiceServicer_to_server(LoadReports(), server)
    for line in open(commands):
        command = json.loads(line)
        if "set" in command:
            world.set(command["set"], command["resources"])
            say("SET " + command["set"])
        if "start" in command:
            port = server.add_insecure_port("127.0.0.1:%d" % command["start"])
            server.start()
            say("LISTENING %d" % port)
    server.stop(0)


def client(target, path, count):
    counts = collections.Counter()
    with grpc.insecure_channel(target) as channel:
        call = channel.unary_unary(path)
        for _ in range(count):
            try:
                counts[call(b"", timeout=20, wait_for_ready=True).decode()] += 1
            except grpc.RpcError as error:
                counts[str(error.code())] += 1
    say(json.dumps(counts))


def status(target):
    with grpc.insecure_channel(target) as channel:
        answer = csds_pb2_grpc.ClientStatusDiscoveryServiceStub(channel).FetchClientStatus(
            csds_pb2.ClientStatusRequest(), timeout=20)
    say(json.dumps(json_format.MessageToDict(answer, preserving_proto_field_name=True)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--status"]:
        status(sys.argv[2])
    elif sys.argv[1:2] == ["--client"]:
        client(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        serve(sys.argv[1])
