#!/usr/bin/env python3
"""What TLS costs a server: tls.py VOLERY_BENCH PEER_GRPC_CPP [--rounds N] [--scale F].

Four servers in one run, interleaved: Volery and gRPC C++, each plain and over TLS, with the same certificate. The load comes
from h2load (OpenSSL); a server is pinned to one core and the load to another; server CPU is that of its threads, from
/proc. Small unary calls: CPU per call at 8 connections x 32 streams. Messages of 1 MiB: MiB per second of server CPU,
for a stream of responses (download) and for unary calls that come back (echo: both directions are counted). Medians over the
rounds; --scale makes each round shorter or longer."""

import argparse
import pathlib
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time


MIB = 1 << 20
HERE = pathlib.Path(__file__).resolve().parent


def wait(port):
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port), 0.1).close()
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


def cpu(pid):
    """Seconds, exact to a microsecond; the servers' threads live as long as they do."""
    return sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def frame(message):
    return b"\0" + struct.pack(">I", len(message)) + message


def echo(size):
    return frame(b"\x0a" + varint(size) + bytes(size))


def stream(count, size):
    return frame(b"\x08" + varint(count) + b"\x10" + varint(size))


# name -> method, body, connections, streams, calls, MiB that each call moves
WORK = {
    "unary": ("Unary", echo(16), 8, 32, 40_000, None),
    "download": ("Download", stream(32, MIB), 1, 1, 24, 32),
    "echo": ("Unary", echo(MIB), 1, 4, 400, 2),
}


def load(scheme, port, method, body, connections, streams, calls):
    command = ["taskset", "-c", "1", "h2load", "-n", str(calls), "-c", str(connections), "-m", str(streams), "-t", "1"]
    command += ["-w", "24", "-W", "26", "-d", body, "-H", "te: trailers", "-H", "content-type: application/grpc"]
    command.append(f"{scheme}://127.0.0.1:{port}/volery.benchmark.Benchmark/{method}")
    output = subprocess.run(command, capture_output=True, text=True).stdout
    if f"{calls} succeeded" not in output:
        raise SystemExit(f"not all calls succeeded:\n{output}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("volery")
    parser.add_argument("peer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1)
    options = parser.parse_args()
    folder = tempfile.TemporaryDirectory()
    pki = f"{folder.name}/pki"
    subprocess.run([HERE.parent / "Support/certificates.sh", pki], check=True)
    certificate, key = f"{pki}/server.crt", f"{pki}/server.key"
    commands = {
        "Volery plain": ([options.volery, "server", "17100", "--loops", "1"], "http"),
        "Volery TLS": ([options.volery, "server", "17101", "--loops", "1", "--certificate", certificate, "--key", key], "https"),
        "gRPC C++ plain": ([options.peer, "server", "17102"], "http"),
        "gRPC C++ TLS": ([options.peer, "server", "17103", certificate, key], "https"),
    }
    bodies = {}
    for work, (_, body, *_) in WORK.items():
        bodies[work] = f"{folder.name}/{work}"
        pathlib.Path(bodies[work]).write_bytes(body)
    running = {}
    results = {}
    try:
        for index, (name, (command, scheme)) in enumerate(commands.items()):
            process = subprocess.Popen(
                ["taskset", "-c", "0"] + command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            running[name] = (process, 17100 + index, scheme)
            wait(17100 + index)
        for work, (method, _, connections, streams, calls, mib) in WORK.items():
            calls = max(int(calls * options.scale), connections * streams)
            for round in range(options.rounds + 1):
                for name, (process, port, scheme) in running.items():
                    before = cpu(process.pid)
                    load(scheme, port, method, bodies[work], connections, streams, calls)
                    used = cpu(process.pid) - before
                    figure = calls * mib / used if mib else used / calls * 1e6
                    print(f"{work} {round} {name}: {figure:.2f}", file=sys.stderr)
                    if round > 0:
                        results.setdefault(work, {}).setdefault(name, []).append(figure)
    finally:
        for process, _, _ in running.values():
            process.send_signal(signal.SIGKILL)
    median = {work: {name: statistics.median(figures) for name, figures in row.items()} for work, row in results.items()}
    print("| server | unary 16 B, 8×32: CPU µs per call | 1 MiB down: MiB per CPU s | 1 MiB echo: MiB per CPU s |")
    print("|---|---|---|---|")
    for name in commands:
        print(f"| {name} | " + " | ".join(f"{median[work][name]:.{2 if work == 'unary' else 0}f}" for work in WORK) + " |")
    print(f"\nTLS / plain, unary CPU: {median['unary']['Volery TLS'] / median['unary']['Volery plain']:.2f} (bar: 1.25)")
    for work in ("download", "echo"):
        ratio = median[work]["Volery TLS"] / median[work]["gRPC C++ TLS"]
        print(f"Volery TLS / gRPC C++ TLS, 1 MiB {work}: {ratio:.2f} (bar: 1)")


if __name__ == "__main__":
    main()
