#!/usr/bin/env python3
"""A control plane for comparisons: aggregated discovery, state of the world, for any number of clients at once. Does what
it is told line by line on standard input, each a JSON object:

    {"set": TYPE, "resources": [{...}], "raw": [{"name", "type_url", "hex"}], "special": {NODE: [{...}]}}
                           the whole set of a type: in protobuf's JSON, and as bytes that may be anything; those that
                           are special for the client with that id replace the others of their names
    {"start": PORT}        listens; 0 for any port
    {"delay": SECONDS}     before each answer
    {"mute": true}         answers nothing any more
    {"touch": NAME, "count": N, "interval": SECONDS}
                           changes one address of those endpoints N times, each time when the last one has been
                           answered and the interval is over

and says on standard output, in the same way, what happened: {"event": "set" | "listening" | "stream" | "ack" | "nack" |
"touched", ...}.
"""

import collections
import concurrent.futures
import json
import queue
import sys
import threading
import time

import grpc
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.clusters.aggregate.v3 import cluster_pb2 as _aggregate  # noqa: F401
from envoy.extensions.filters.http.buffer.v3 import buffer_pb2 as _buffer  # noqa: F401
from envoy.extensions.filters.http.fault.v3 import fault_pb2 as _fault  # noqa: F401
from envoy.extensions.filters.http.router.v3 import router_pb2 as _router  # noqa: F401
from envoy.extensions.filters.http.stateful_session.v3 import stateful_session_pb2 as _stateful_session  # noqa: F401
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as _manager  # noqa: F401
from envoy.extensions.http.stateful_session.cookie.v3 import cookie_pb2 as _session_cookie  # noqa: F401
from envoy.extensions.load_balancing_policies.least_request.v3 import least_request_pb2 as _least  # noqa: F401
from envoy.extensions.load_balancing_policies.pick_first.v3 import pick_first_pb2 as _pick_first  # noqa: F401
from envoy.extensions.load_balancing_policies.ring_hash.v3 import ring_hash_pb2 as _ring_hash  # noqa: F401
from envoy.extensions.load_balancing_policies.round_robin.v3 import round_robin_pb2 as _round_robin  # noqa: F401
from envoy.extensions.load_balancing_policies.wrr_locality.v3 import wrr_locality_pb2 as _wrr_locality  # noqa: F401
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2 as _options  # noqa: F401
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from google.protobuf import any_pb2, json_format
from xds.type.v3 import typed_struct_pb2 as _typed_struct  # noqa: F401

TYPES = {
    "listener": listener_pb2.Listener,
    "routes": route_pb2.RouteConfiguration,
    "cluster": cluster_pb2.Cluster,
    "endpoints": endpoint_pb2.ClusterLoadAssignment,
}
PREFIX = "type.googleapis.com/"
NAMES = {PREFIX + message.DESCRIPTOR.full_name: name for name, message in TYPES.items()}
# Those that a client may ask for without a name, for all there are.
WILDCARD = ("listener", "cluster")


def say(**event):
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


class World:
    """What there is, and who listens."""

    def __init__(self):
        self.lock = threading.Lock()
        self.resources = {name: {} for name in TYPES}
        self.special = {name: {} for name in TYPES}
        self.versions = collections.Counter()
        self.streams = set()
        self.answered = threading.Condition(self.lock)
        self.last_answered = collections.Counter()
        self.delay, self.is_mute = 0.0, False
        # Listeners without an address: Envoy takes none of them.
        self.private = set()

    def set(self, name, resources, raw=(), special=None):
        packed = parse(name, resources)
        for one in raw:
            url = one.get("type_url") or PREFIX + TYPES[name].DESCRIPTOR.full_name
            packed[one["name"]] = any_pb2.Any(type_url=url, value=bytes.fromhex(one["hex"]))
        with self.lock:
            if name == "listener":
                self.private = {one["name"] for one in resources if "address" not in one}
            self.special[name] = {node: parse(name, those) for node, those in (special or {}).items()}
        self.replace(name, packed)

    def replace(self, name, packed):
        with self.lock:
            self.resources[name] = packed
            self.versions[name] += 1
            version, streams = self.versions[name], list(self.streams)
        for stream in streams:
            stream.put(("changed", name))
        return version

    def note(self, name, version):
        with self.lock:
            self.last_answered[name] = max(version, self.last_answered[name])
            self.answered.notify_all()

    def touch(self, cluster, count, interval):
        """The addresses go round within 127.64.0.0/10, so that each is a new one."""
        message = endpoint_pb2.ClusterLoadAssignment()
        self.resources["endpoints"][cluster].Unpack(message)
        places = [endpoint for group in message.endpoints for endpoint in group.lb_endpoints]
        started = time.monotonic()
        for number in range(count):
            address = places[number % len(places)].endpoint.address.socket_address
            address.address = f"127.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
            due = time.monotonic() + interval
            version = self.replace("endpoints", {cluster: pack(message)})
            with self.answered:
                if not self.answered.wait_for(lambda: self.last_answered["endpoints"] >= version, 30):
                    say(event="touched", error=f"no answer to update {number}")
                    return
            time.sleep(max(0.0, due - time.monotonic()))
        say(event="touched", count=count, seconds=time.monotonic() - started)


def parse(name, resources):
    messages = [json_format.ParseDict(resource, TYPES[name]()) for resource in resources]
    return {message.cluster_name if name == "endpoints" else message.name: pack(message) for message in messages}


def pack(message):
    box = any_pb2.Any()
    box.Pack(message)
    return box


class Control(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):
    def __init__(self, world):
        self.world = world

    def StreamAggregatedResources(self, requests, context):  # noqa: N802
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
        stream = Stream(self.world)
        try:
            while True:
                kind, value = events.get()
                if kind == "end":
                    return
                name = stream.asked(value) if kind == "request" else value
                if name is None or name not in stream.wanted or self.world.is_mute:
                    continue
                if self.world.delay:
                    time.sleep(self.world.delay)
                yield stream.answer(name)
                # A proxy waits for a changed cluster's endpoints, whether they have changed or not.
                if name == "cluster" and not stream.wanted[name] and stream.wanted.get("endpoints"):
                    yield stream.answer("endpoints")
        finally:
            with self.world.lock:
                self.world.streams.discard(events)


class Stream:
    """One client's: what it wants, and what it was told."""

    def __init__(self, world):
        self.world = world
        self.node = ""
        self.wanted = {}
        self.sent = {}
        self.number = 0

    def asked(self, request):
        """The type that has to be answered now; None for one that only says how an answer was taken."""
        if not self.node:
            self.node = request.node.id
            say(event="stream", node=self.node, metadata=json_format.MessageToDict(request.node.metadata))
        name = NAMES.get(request.type_url)
        if name is None:
            return None
        if request.response_nonce in self.sent:
            version = self.sent.pop(request.response_nonce)
            detail = request.error_detail.message
            kind = {"event": "nack", "detail": detail} if request.HasField("error_detail") else {"event": "ack"}
            say(**kind, node=self.node, type=name, version=version)
            self.world.note(name, version)
        names = set(request.resource_names)
        if not names and name not in WILDCARD:
            self.wanted.pop(name, None)
            return None
        if self.wanted.get(name) == names:
            return None
        self.wanted[name] = names
        return name

    def answer(self, name):
        with self.world.lock:
            there = self.world.resources[name] | self.world.special[name].get(self.node, {})
            version = self.world.versions[name]
            # A client that asks for everything is a proxy: what only those without a proxy can use is not for it.
            wanted = self.wanted[name] or [key for key in there if key not in self.world.private]
            boxes = [there[key] for key in wanted if key in there]
        self.number += 1
        self.sent[str(self.number)] = version
        return discovery_pb2.DiscoveryResponse(
            version_info=str(version),
            resources=boxes,
            nonce=str(self.number),
            type_url=PREFIX + TYPES[name].DESCRIPTOR.full_name,
        )


def main():
    world = World()
    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(max_workers=32),
        options=[("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(Control(world), server)
    for line in sys.stdin:
        command = json.loads(line)
        if "set" in command:
            world.set(command["set"], command.get("resources", []), command.get("raw", []), command.get("special"))
            say(event="set", type=command["set"], version=world.versions[command["set"]])
        if "delay" in command:
            world.delay = command["delay"]
        if "mute" in command:
            world.is_mute = command["mute"]
        if "touch" in command:
            words = (command["touch"], command["count"], command["interval"])
            threading.Thread(target=world.touch, args=words, daemon=True).start()
        if "start" in command:
            port = server.add_insecure_port(f"127.0.0.1:{command['start']}")
            server.start()
            say(event="listening", port=port)
    server.stop(0)


if __name__ == "__main__":
    main()
