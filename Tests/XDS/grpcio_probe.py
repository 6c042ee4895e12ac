#!/usr/bin/env python3
"""The same client as volery-xds-probe (Program/Probe.swift), with another implementation: grpcio_probe.py TARGET."""

import collections
import itertools
import json
import sys
import threading
import time

import grpc

# A proxy that comes up is noticed soon; has no meaning for xDS itself.
OPTIONS = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500)]


# The cookies that answers have set, by the name of the jar.
JARS = collections.defaultdict(dict)


def keep(jar, metadata):
    for key, value in metadata or ():
        if key == "set-cookie" and jar is not None:
            name, _, rest = value.partition("=")
            jar[name] = rest.partition(";")[0]


class Series:
    def __init__(self, command, channel):
        self.command = command
        method = command.get("method", "/test.Backend/Who")
        self.call = channel.unary_unary(method)
        self.stream = channel.stream_stream(method) if command.get("stream") else None
        self.is_stopped = False
        self.numbers = itertools.count()
        self.lock = threading.Lock()
        self.answers, self.failures = collections.Counter(), collections.Counter()
        self.slowest = 0.0

    def run(self):
        workers = [threading.Thread(target=self.work) for _ in range(self.command.get("parallel", 1))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        result = {"id": self.command["id"], "answers": self.answers, "failures": self.failures, "slowest": self.slowest}
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()

    def work(self):
        due, interval = time.monotonic(), self.command.get("interval", 0)
        while not self.is_stopped:
            number = next(self.numbers)
            if number >= self.command.get("calls", sys.maxsize):
                return
            self.one(number)
            if interval:
                due += interval
                time.sleep(max(0.0, due - time.monotonic()))

    def one(self, number):
        metadata = list(self.command.get("metadata", {}).items())
        if "vary" in self.command:
            metadata.append((self.command["vary"], f"{self.command['id']}-{number}"))
        jar = JARS[self.command["jar"]] if "jar" in self.command else None
        if jar:
            metadata.append(("cookie", "; ".join(f"{name}={value}" for name, value in sorted(jar.items()))))
        start, answer, failure = time.monotonic(), None, None
        terms = {
            "timeout": self.command.get("timeout", 20),
            "metadata": metadata,
            "wait_for_ready": self.command.get("wait", False),
        }
        try:
            if self.stream:
                call = self.stream(iter([b""]), **terms)
                keep(jar, call.initial_metadata())
                answer = list(call)[-1].decode()
            else:
                content, call = self.call.with_call(b"", **terms)
                keep(jar, call.initial_metadata())
                answer = content.decode()
        except grpc.RpcError as error:
            keep(jar, error.trailing_metadata())
            failure = f"{error.code().name}: {error.details()}"
        with self.lock:
            if failure is None:
                self.answers[answer] += 1
            else:
                self.failures[failure] += 1
            self.slowest = max(self.slowest, time.monotonic() - start)


def main():
    running = {}
    with grpc.insecure_channel(sys.argv[1], options=OPTIONS) as channel:
        print('{"ready": true}', flush=True)
        for line in sys.stdin:
            command = json.loads(line)
            if "stop" in command:
                running[command["stop"]].is_stopped = True
                continue
            running[command["id"]] = Series(command, channel)
            threading.Thread(target=running[command["id"]].run, daemon=True).start()


if __name__ == "__main__":
    main()
