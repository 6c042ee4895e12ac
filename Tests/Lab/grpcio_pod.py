#!/usr/bin/env python3
"""A pod of another implementation: volery.lab.Lab on grpcio, with the flags and the commands of `volery-lab pod`."""

import argparse
import pathlib
import random
import signal
import sys
import threading
import time
from concurrent import futures

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Protos"))
lab_pb2, lab_pb2_grpc = grpc.protos_and_services("lab.proto")
CODES = {code.value[0]: code for code in grpc.StatusCode}


class Lab(lab_pb2_grpc.LabServicer):
    def __init__(self, name, options):
        self.name, self.delay, self.fail, self.exponential = name, options.delay, options.fail, options.exponential
        self.calls, self.keys, self.lock = 0, set(), threading.Lock()

    def Call(self, request, context):
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
    settings = [("grpc.so_reuseport", 0)]
    if options.age:
        settings.append(("grpc.max_connection_age_ms", options.age))
    if options.streams:
        settings.append(("grpc.max_concurrent_streams", options.streams))
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=200), options=settings)
    lab = Lab(options.bind, options)
    lab_pb2_grpc.add_LabServicer_to_server(lab, server)
    server.add_insecure_port(options.bind)
    server.start()
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    print(f"LISTENING {options.bind}", flush=True)
    threading.Thread(target=lab.follow_commands, daemon=True).start()
    stopped.wait()
    server.stop(options.drain_limit).wait()


if __name__ == "__main__":
    main()
