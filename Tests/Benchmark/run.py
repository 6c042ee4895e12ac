#!/usr/bin/env python3
"""Measures server CPU per unary call beside the peers, interleaved: run.py SERVER=COMMAND ... [--rounds N] [--calls N].

Each COMMAND starts a server on the port that replaces {port}. The load comes from h2load; server CPU is the process's own
(user + system, from /proc). Prints a Markdown table with medians, and ratios to the first server. A server is pinned to one
core and the load to another."""

import argparse
import os
import pathlib
import shlex
import signal
import socket
import statistics
import struct
import subprocess
import tempfile
import time

SHAPES = [(1, 1), (1, 32), (8, 32), (64, 100)]
TICK = os.sysconf("SC_CLK_TCK")


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def wait(port):
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port), 0.1).close()
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


def load(port, connections, streams, calls, body, static):
    command = ["taskset", "-c", "1", "h2load", "-n", str(calls), "-c", str(connections), "-m", str(streams), "-t", "1"]
    if static:
        command.append(f"http://127.0.0.1:{port}/index.html")
    else:
        command += ["-d", body, "-H", "te: trailers", "-H", "content-type: application/grpc"]
        command.append(f"http://127.0.0.1:{port}/volery.benchmark.Benchmark/Unary")
    output = subprocess.run(command, capture_output=True, text=True).stdout
    if f"{calls} succeeded" not in output:
        raise SystemExit(f"not all calls succeeded:\n{output}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("servers", nargs="+")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=40_000)
    parser.add_argument("--payload", type=int, default=16)
    options = parser.parse_args()
    body = tempfile.NamedTemporaryFile(suffix=".grpc")
    message = b"\x0a" + bytes([options.payload]) + bytes(options.payload)
    body.write(b"\0" + struct.pack(">I", len(message)) + message)
    body.flush()
    running = {}
    try:
        for index, entry in enumerate(options.servers):
            name, command = entry.split("=", 1)
            port = 17000 + index
            words = ["taskset", "-c", "0"] + shlex.split(command.replace("{port}", str(port)))
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait(port)
            running[name] = (process, port, "nghttpd" in command)
        results = {}
        for connections, streams in SHAPES:
            calls = options.calls if connections * streams > 1 else options.calls // 8
            for round in range(options.rounds + 1):
                for name, (process, port, static) in running.items():
                    before = cpu(process.pid)
                    load(port, connections, streams, calls, body.name, static)
                    if round > 0:
                        used = (cpu(process.pid) - before) / calls * 1e6
                        results.setdefault((connections, streams), {}).setdefault(name, []).append(used)
        names = list(running)
        print("| server CPU, µs per call | " + " | ".join(f"{c}×{s}" for c, s in SHAPES) + " |")
        print("|---|" + "---|" * len(SHAPES))
        for name in names:
            cells = []
            for shape in SHAPES:
                value = statistics.median(results[shape][name])
                first = statistics.median(results[shape][names[0]])
                cells.append(f"{value:.2f}" + ("" if name == names[0] else f" (ours {first / value:.2f}×)"))
            print(f"| {name} | " + " | ".join(cells) + " |")
    finally:
        for process, _, _ in running.values():
            process.send_signal(signal.SIGKILL)


if __name__ == "__main__":
    main()
