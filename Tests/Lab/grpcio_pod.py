#!/usr/bin/env python3
"""A pod of another implementation: volery.lab.Lab on grpcio, with the flags and the commands of `volery-lab pod`. At its
end it says `CANCELLED n`: so many calls it had taken from the wire when it was told to stop, and did not hand to the
service."""

import argparse
import contextlib
import json
import os
import pathlib
import random
import signal
import sys
import threading
import time
from concurrent import futures

import grpc
from grpc._cython import cygrpc  # Its channelz counts, which need no package of their own here.

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Protos"))
lab_pb2, lab_pb2_grpc = grpc.protos_and_services("lab.proto")
CODES = {code.value[0]: code for code in grpc.StatusCode}


class Lab(lab_pb2_grpc.LabServicer):
    def __init__(self, name, options):
        self.name, self.delay, self.fail, self.exponential = name, options.delay, options.fail, options.exponential
        self.calls, self.keys, self.lock = 0, set(), threading.Lock()
        self.begun = self.ended = 0

    @contextlib.contextmanager
    def running(self):
        with self.lock:
            self.begun += 1
        try:
            yield
        finally:
            with self.lock:
                self.ended += 1

    def Call(self, request, context):
        with self.running():
            with self.lock:
                self.calls += 1
                if request.key:
                    self.keys.add(request.key)
            if self.fail:
                context.set_trailing_metadata((("x-pod", self.name),))
                context.abort(CODES[self.fail], "this pod fails every call")
            time.sleep(self.delay / 1000 * (random.expovariate(1) if self.exponential else 1))
            return lab_pb2.Answer(pod=self.name)

    Read = Call

    def Chat(self, requests, context):
        with self.running():
            for _ in requests:
                yield lab_pb2.Answer(pod=self.name)

    def follow_commands(self):
        for line in sys.stdin:
            word, *rest = line.split()
            if word == "delay":
                self.delay = float(rest[0])
            elif word == "fail":
                self.fail = int(rest[0])
            elif word == "counts":
                with self.lock:
                    print(f"COUNTS {self.calls} {len(self.keys)}", flush=True)


class Hold(grpc.GenericRpcHandler):
    """A call of the server to itself that runs until it is told to end: as long as it does, a stopping server lives, and
    so do its counts."""

    def __init__(self, server, lab):
        self.lab, self.end, begun = lab, threading.Event(), threading.Event()
        self.address = f"unix-abstract:hold-{os.getpid()}"

        def run(request, context):
            with lab.running():
                begun.set()
                self.end.wait()
                return request

        self.handler = grpc.unary_unary_rpc_method_handler(run)
        server.add_generic_rpc_handlers((self,))
        server.add_insecure_port(self.address)
        self.begun = begun

    def service(self, details):
        return self.handler if details.method == "/hold" else None

    def begin(self):
        self.channel = grpc.insecure_channel(self.address)
        self.call = self.channel.unary_unary("/hold").future(b"")
        self.begun.wait()

    def count_until_quiet(self, stopped):
        """How many calls came and were never begun. Until nothing runs, or the server gives up waiting for what does."""
        cancelled, calm = 0, time.monotonic()
        while not stopped.wait(0.01) and time.monotonic() < calm + 0.3:
            servers = json.loads(cygrpc.channelz_get_servers(0))["server"]
            if not servers:
                break
            started = int(servers[0]["data"]["callsStarted"])
            with self.lab.lock:
                now, is_running = started - self.lab.begun, self.lab.begun - self.lab.ended > 1
            if now != cancelled or is_running:
                cancelled, calm = now, time.monotonic()
        self.end.set()
        return cancelled


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bind", required=True)
    parser.add_argument("--delay", type=float, default=10)
    parser.add_argument("--exponential", action="store_true")
    parser.add_argument("--fail", type=int, default=0)
    parser.add_argument("--age", type=int)
    parser.add_argument("--streams", type=int)
    parser.add_argument("--drain-limit", type=float, default=25)
    options = parser.parse_args()
    settings = [("grpc.so_reuseport", 0), ("grpc.enable_channelz", 1)]
    if options.age:
        settings.append(("grpc.max_connection_age_ms", options.age))
    if options.streams:
        settings.append(("grpc.max_concurrent_streams", options.streams))
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=200), options=settings)
    lab = Lab(options.bind, options)
    lab_pb2_grpc.add_LabServicer_to_server(lab, server)
    server.add_insecure_port(options.bind)
    hold = Hold(server, lab)
    server.start()
    hold.begin()
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    print(f"LISTENING {options.bind}", flush=True)
    threading.Thread(target=lab.follow_commands, daemon=True).start()
    stopped.wait()
    stopping = server.stop(options.drain_limit)
    cancelled = hold.count_until_quiet(stopping)
    stopping.wait()
    print(f"CANCELLED {cancelled}", flush=True)


if __name__ == "__main__":
    main()
