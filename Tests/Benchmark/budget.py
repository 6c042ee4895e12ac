#!/usr/bin/env python3
"""What an RPC costs in instructions and allocations, against what is recorded in budget.json: budget.py PROGRAM

Each row runs volery-bench under callgrind twice, with fewer and with more calls; the difference divided by the calls is the
cost of one, without what happens once. Fails when a row's instructions or allocations have grown by more than 5 % (its allocations
by more where the row says so), and where a row is more than so many times another one (BARS).

    make bench-budget            compare
    make bench-budget-record     record anew, after a growth that is worth it (say why in the commit)
    budget.py PROGRAM --rows unary-server --functions 30      where the instructions go"""

import argparse
import json
import os
import pathlib
import platform
import socket
import subprocess
import tempfile
import time

import callgrind
from wire import echo, method

RECORD = pathlib.Path(__file__).with_name("budget.json")
TOLERANCE = 0.05


class Row:
    """`rounds`: where the threads' schedule has its say, the same build differs by a few per cent from run to run.
    `allocations`: by how much its allocations may grow; more where they go by how many pieces the kernel takes bytes in."""

    def __init__(self, title, few, many, measure, rounds=1, allocations=TOLERANCE):
        self.title, self.few, self.many, self.measure, self.rounds = title, few, many, measure, rounds
        self.allocations = allocations


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait(port, process):
    for _ in range(600):
        try:
            return socket.create_connection(("127.0.0.1", port), 0.5).close()
        except OSError:
            if process.poll() is not None:
                raise SystemExit(f"{process.args} ended:\n{process.stdout.read()}")
            time.sleep(0.05)
    raise SystemExit(f"{process.args} does not listen on {port}")


def run(command, expect=""):
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if result.returncode != 0 or expect not in result.stdout:
        raise SystemExit(f"{command} failed:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")


def loop(kind):
    """One thing in a loop, no call around it."""
    def measure(program, count, folder):
        process = callgrind.start([program, "loop", kind, str(count)], folder / "out")
        return callgrind.finish(process, folder / "out")
    return measure


def placed(seams, folder):
    """With the folder of the run where one asks for it."""
    return [seam.replace("FOLDER", str(folder)) for seam in seams]


def server(load, *seams):
    """The server, while `load` has it do `count` things; `seams`: what stands around its calls."""
    def measure(program, count, folder):
        port = free_port()
        process = callgrind.start([program, "server", str(port), "--loops", "1", *placed(seams, folder)], folder / "out")
        wait(port, process)
        load(program, port, count, folder)
        return callgrind.finish(process, folder / "out", stop=True)
    return measure


def client(kind, lanes, payload, *seams):
    """The client, against a server that is not under callgrind."""
    def measure(program, count, folder):
        port = free_port()
        command = [program, "server", str(port), "--loops", "1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            try:
                wait(port, process)
                command = [program, "client", str(port), str(lanes), "0", str(payload), "--kind", kind, *placed(seams, folder)]
                return callgrind.finish(
                    callgrind.start(command + ["--operations", str(count)], folder / "out"), folder / "out")
            finally:
                process.kill()
    return measure


def proxy(load):
    """The proxy, between the load and a server that is not under callgrind."""
    def measure(program, count, folder):
        behind, port = free_port(), free_port()
        command = [program, "server", str(behind), "--loops", "1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            try:
                wait(behind, process)
                with callgrind.start([program, "proxy", str(port), str(behind)], folder / "out") as between:
                    try:
                        wait(port, between)
                        load(program, port, count, folder)
                        return callgrind.finish(between, folder / "out", stop=True)
                    finally:
                        between.kill()
            finally:
                process.kill()
    return measure


def unary_load(connections, streams, payload):
    def load(program, port, count, folder):
        body = folder / "body"
        body.write_bytes(echo(payload))
        run(["h2load", "-n", str(count), "-c", str(connections), "-m", str(streams), "-t", "1", "-d", str(body),
             "-H", "te: trailers", "-H", "content-type: application/grpc",
             f"http://127.0.0.1:{port}{method('Unary')}"], f"{count} succeeded")
    return load


def own_load(kind, lanes, payload, *options):
    def load(program, port, count, folder):
        run([program, "client", str(port), str(lanes), "0", str(payload), "--kind", kind, "--operations", str(count), *options])
    return load


ROWS = {
    "unary-server": Row("unary call, server, 8 connections × 32 streams, 16 B", 4096, 12288, server(unary_load(8, 32, 16))),
    "unary-client": Row("unary call, client, 64 in flight, 16 B", 3200, 9600, client("unary", 64, 16), rounds=3),
    "unary-server-deadlines": Row(
        "unary call with a deadline, server, 64 in flight of our own client, 16 B", 3200, 9600,
        server(own_load("unary", 64, 16, "--deadline", "20")), rounds=3),
    "unary-client-deadlines": Row(
        "unary call with a deadline, client, 64 in flight, 16 B", 3200, 9600, client("unary", 64, 16, "--deadline", "20"), rounds=3),
    **{f"unary-{side}-{count}-{kind}": Row(
        f"unary call, {side}, {count} {'interceptor that reads' if kind == 'interceptors' else 'observer that counts'}", few, many,
        measure(f"--{kind}", str(count)), rounds=rounds)
       for kind, counts in (("interceptors", (1, 5)), ("observers", (1,))) for count in counts
       for side, few, many, rounds, measure in (
           ("server", 4096, 12288, 1, lambda *seams: server(unary_load(8, 32, 16), *seams)),
           ("client", 3200, 9600, 3, lambda *seams: client("unary", 64, 16, *seams)))},
    "unary-server-metrics": Row(
        "unary call, server, metrics without a backend", 4096, 12288, server(unary_load(8, 32, 16), "--metrics")),
    "unary-client-metrics": Row(
        "unary call, client, metrics without a backend", 3200, 9600, client("unary", 64, 16, "--metrics"), rounds=3),
    **{f"unary-{side}-{name}": Row(f"unary call, {side}, {what}", few, many, measure, rounds=rounds)
       for name, what, seams in (  # Whatever a program does on other threads (the log's) counts, too.
           ("prometheus", "metrics for Prometheus", ["--prometheus"]), ("tracing", "spans kept in memory", ["--tracing"]),
           ("status", "the status page", ["--status"]), ("binlog", "a binary log of everything", ["--binlog", "FOLDER/binlog"]))
       for side, few, many, rounds, measure in (
           ("server", 4096, 12288, 1, server(unary_load(8, 32, 16), *seams)),
           ("client", 3200, 9600, 3, client("unary", 64, 16, *seams)))},
    "unary-proxy": Row(
        "unary call, proxy, 8 connections × 32 streams, 16 B", 4096, 12288, proxy(unary_load(8, 32, 16)), rounds=3),
    # The same build: 17.3, 18.2, 19.4 and 20.2 allocations.
    "large-server": Row(
        "unary call, server, 4 in flight, 1 MiB each way", 40, 200, server(own_load("unary", 4, 1 << 20)), rounds=3, allocations=0.2),
    "stream-out": Row("message sent by a server's stream, 1 KiB", 4000, 12000, server(own_load("download", 4, 1024))),
    "stream-in": Row("message received by a client's stream, 1 KiB", 4000, 12000, client("download", 4, 1024), rounds=3),
    "ping-pong-server": Row("message in and out, server, 32 streams, 16 B", 3200, 9600, server(own_load("ping-pong", 32, 16))),
    "ping-pong-client": Row("message out and in, client, 32 streams, 16 B", 3200, 9600, client("ping-pong", 32, 16)),
    "encode-echo": Row("encode 16 bytes in a field", 10_000, 30_000, loop("encode-echo")),
    "decode-echo": Row("decode the same", 10_000, 30_000, loop("decode-echo")),
    "encode-order": Row("encode an order: 5 messages, 395 B", 2_000, 6_000, loop("encode-order")),
    "decode-order": Row("decode the same", 2_000, 6_000, loop("decode-order")),
    "pick": Row("pick one of 5 servers, count the call", 10_000, 30_000, loop("pick")),
    "pick-of-100": Row("the same of 100", 10_000, 30_000, loop("pick-of-100")),
    "weighted-pick-of-100": Row("the same of 100 by weighted_round_robin, weights 1 to 3", 10_000, 30_000, loop("weighted-pick-of-100")),
    "ring-hash-pick-of-100": Row("the same of 100 by ring_hash, a header of the call says the key", 10_000, 30_000, loop("ring-hash-pick-of-100")),
}


# Rows that are bounded by another one: by so many times its instructions.
BARS = {"weighted-pick-of-100": ("pick-of-100", 1.3), "ring-hash-pick-of-100": ("pick-of-100", 2.0)}


def measure(row, program, rounds):
    profiles = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            few = row.measure(program, row.few, pathlib.Path(folder))
            many = row.measure(program, row.many, pathlib.Path(folder))
            profiles.append(few.per(many, row.many - row.few))
    profiles.sort(key=lambda profile: profile.instructions)
    return profiles[len(profiles) // 2], (profiles[-1].instructions / profiles[0].instructions - 1)


def toolchain():
    version = subprocess.run(["swift", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    found = {"swift": version, "machine": platform.machine()}
    for library in ("libnghttp2", "libprotobuf-c", "libuv"):
        found[library] = subprocess.run(
            ["pkg-config", "--modversion", library], capture_output=True, text=True).stdout.strip()
    return found


def growth(now, recorded):
    return now / recorded - 1 if recorded else float(now > 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="volery-bench, built for release")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--functions", type=int, default=0, help="list so many of each row's functions")
    parser.add_argument("--rounds", type=int, help="medians of so many pairs of runs")
    options = parser.parse_args()
    program = os.path.abspath(options.program)
    recorded = json.loads(RECORD.read_text()) if RECORD.exists() else {"toolchain": {}, "rows": {}}
    here = toolchain()
    if recorded["rows"] and recorded["toolchain"] != here and not options.record:
        print(f"Recorded with {recorded['toolchain']}, this is {here}: figures may differ for that reason.\n")
    print("| what | instructions | recorded | allocations | recorded | spread | |")
    print("|---|---|---|---|---|---|---|", flush=True)
    grown, found = [], {}
    for name in options.rows:
        row = ROWS[name]
        before = recorded["rows"].get(name)
        profile, spread = measure(row, program, options.rounds or row.rounds)
        instructions, allocations = round(profile.instructions), round(profile.allocations, 1)
        found[name] = instructions
        verdict = "new"
        if before:
            changes = [growth(instructions, before["instructions"]), growth(allocations, before["allocations"])]
            verdict = f"{changes[0]:+.1%}"
            if changes[0] > TOLERANCE or changes[1] > row.allocations:
                grown.append(name)
                verdict += " **grown**"
        other, times = BARS.get(name, (name, 1.0))
        if other in found and instructions > times * found[other]:
            grown.append(name)
            verdict += f" **over {times} x {other}**"
        old = before or {"instructions": "", "allocations": ""}
        print(f"| {name}: {row.title} | {instructions} | {old['instructions']} | {allocations} | {old['allocations']} "
              f"| {spread:.1%} | {verdict} |", flush=True)
        if options.functions:
            show(profile, options.functions)
        if options.record:
            recorded["rows"][name] = {"instructions": instructions, "allocations": allocations}
    if options.record:
        recorded = {"toolchain": here, "rows": {name: recorded["rows"][name] for name in ROWS if name in recorded["rows"]}}
        RECORD.write_text(json.dumps(recorded, indent=2) + "\n")
    elif grown:
        raise SystemExit(
            f"\nGrown by more than {TOLERANCE:.0%}, or over a bar: {', '.join(grown)}. Where: budget.py PROGRAM --rows ROW --functions 30. "
            "If it is worth that: make bench-budget-record, and say why in the commit.")


def show(profile, count):
    for title, costs in (("libraries", profile.libraries), ("functions", profile.functions)):
        print(f"\n  {title}")
        for name, cost in costs.most_common(count):
            if cost > 0.5:
                print(f"  {cost:10.0f}  {name}")
    print()


if __name__ == "__main__":
    main()
