"""The groups of rows: who runs, under which load, and what is taken down."""

import contextlib
import json
import pathlib
import resource
import shutil
import statistics
import subprocess
import time

from h2load import Load
from idle_load import IdleLoad, unverified
from instructions import instructions
from noise import Noise
from processes import LOAD_CORE, SERVER_CORE, Running, pinned, resident
from proxies import proxies
from results import Row, latencies
from targets import CALLBACK, CPP, FLOOR, OURS, QUEUE, SWIFT
from wire import echo, method, stream_request

GRPCIO = "grpcio"
SHAPES = [(1, 1), (1, 32), (8, 32), (64, 1), (64, 100)]
PAYLOADS = [0, 16, 1024]
MEBIBYTE = 1 << 20
# Idle connections: as many as a server takes by default, but for some.
MANY = 9900


class Bench:
    def __init__(self, options, wanted, folder, certificate):
        self.rounds, self.seconds, self.wanted, self.folder = options.rounds, options.seconds, wanted, folder
        self.noise = Noise((SERVER_CORE, LOAD_CORE), LOAD_CORE)
        self.certificate = [str(file) for file in certificate]
        self.volery, self.python, self.programs = options.volery, options.python, options.programs
        self.cpp = options.programs / "grpc-cpp/peer-grpc-cpp"
        self.swift = options.programs / "grpc-swift/release/peer-grpc-swift-2"
        self.grpcio = pathlib.Path(__file__).with_name("Peers") / "peer-grpcio/client.py"

    def wants(self, key):
        return not self.wanted or any(key == one or key.startswith(one + " ") for one in self.wanted)

    def wanted_of(self, rows):
        return [row for row in rows if self.wants(row.key)]

    def servers(self, tls=False):
        certificate, key = self.certificate
        commands = {
            OURS: [self.volery, "server", "{port}"] + (["--certificate", certificate, "--key", key] if tls else []),
            CPP: [self.cpp, "server", "{port}"] + (self.certificate if tls else []),
            SWIFT: [self.swift, "server", "{port}"] + (self.certificate if tls else []),
        }
        return {name: command for name, command in commands.items() if command[0].exists()}

    @contextlib.contextmanager
    def running(self, commands, prepare={}):
        """`prepare`: of some, what writes their configuration once the port is known."""
        with contextlib.ExitStack() as stack:
            yield {name: stack.enter_context(Running(name, command, prepare=prepare.get(name)))
                   for name, command in commands.items()}

    def interleaved(self, servers, loads, take):
        """A short run of each server that tells how much is a round; then the rounds, each server once in each."""
        calls = {}
        for name, server in servers.items():
            load = loads[name]
            _, rate, _ = load.run(server.port, 4 * load.connections * load.streams)
            done, rate, _ = load.run(server.port, int(rate * self.seconds / 4) + 1)
            calls[name] = int(rate * self.seconds) + 1
        for _ in range(self.rounds):
            self.noise.look()
            for name, server in servers.items():
                before = server.cpu()
                done, rate, times = loads[name].run(server.port, calls[name])
                take(name, (server.cpu() - before) / done, rate, times)


def unary(bench):
    """Server CPU per unary call; h2load."""
    keys = [(payload, shape) for payload in PAYLOADS for shape in SHAPES
            if bench.wants(f"unary {payload} {shape[0]}x{shape[1]}")]
    if not keys:
        return
    files = bench.folder / "files"
    files.mkdir(exist_ok=True)
    for payload in PAYLOADS:
        (files / str(payload)).write_bytes(echo(payload))
    commands = bench.servers() | {FLOOR: ["nghttpd", "--no-tls", "-d", str(files), "{port}"]}
    with bench.running(commands) as servers:
        for payload, (connections, streams) in keys:
            row = Row("unary", f"unary {payload} {connections}x{streams}", f"{payload} B, {connections}×{streams}", "CPU µs/call")
            body = echo(payload)
            loads = {name: Load(method("Unary"), body, connections, streams, len(body)) for name in servers}
            loads[FLOOR] = Load(f"/{payload}", None, connections, streams, len(body))
            bench.interleaved(servers, loads, lambda name, cpu, rate, times: row.add(
                name, cpu * 1e6, rate=rate, **latencies(times)))
            yield row


def stream(bench):
    """Server streaming, 4 calls at once on each of 2 connections; h2load reads."""
    sizes = [(1024, 500), (65536, 100)]
    rows = {size: Row("stream", f"stream {size}", f"{size // 1024} KiB messages", "messages/CPU s", True) for size, _ in sizes}
    if not bench.wanted_of(rows.values()):
        return
    with bench.running(bench.servers()) as servers:
        for size, count in sizes:
            if bench.wants(rows[size].key):
                yield streamed(bench, servers, rows[size], size, count, lambda cpu: count / cpu)


def streamed(bench, servers, row, size, count, value, tls=False):
    load = Load(method("Download"), stream_request(count, size), 2, 4, count * len(echo(size)), tls)
    bench.interleaved(servers, dict.fromkeys(servers, load), lambda name, cpu, rate, _: row.add(
        name, value(cpu), rate=rate * count))
    return row


def ping_pong(bench):
    """A message and its answer on open streams, 16 B; our client is the load for all.

    grpc-swift-2 closes a connection with more than 100 streams, without having said so in its SETTINGS."""
    rows = bench.wanted_of([
        Row("ping-pong", f"ping-pong {streams}", f"{streams} stream{'s' * (streams > 1)}", "CPU µs/message")
        for streams in (1, 32, 96)])
    if not rows:
        return
    with bench.running(bench.servers()) as servers:
        for row in rows:
            for round in range(bench.rounds + 1):
                bench.noise.look()
                for name, server in servers.items():
                    before = server.cpu()
                    found = client(
                        [bench.volery, "client", server.port, row.key.split()[1], max(1, round_seconds(bench)), 16,
                         "--kind", "ping-pong"], LOAD_CORE)
                    if round > 0:
                        row.add(name, (server.cpu() - before) / found["calls"] * 1e6, **found["more"])
            yield row


def round_seconds(bench):
    return max(1, round(bench.seconds))


def client(command, core):
    """Runs a load generator; what its line of JSON says."""
    result = subprocess.run(pinned(core, command), capture_output=True, text=True, timeout=120)
    if result.returncode:
        raise SystemExit(f"{command} failed:\n{result.stdout}{result.stderr}")
    found = json.loads(result.stdout.splitlines()[-1])
    return {"calls": found["calls"], "cpu": found["cpu_us_per_call"], "more": {
        "rate": found["calls"] / found["seconds"],
        "p50": found["p50_us"], "p99": found["p99_us"], "p99.9": found["p999_us"]}}


def large(bench):
    """Messages of 1 MiB: echoed (in and out), and streamed (out only); MB of payload per second of the server's CPU."""
    kinds = [(kind, way) for way in ("plain", "tls") for kind in ("echo", "stream") if bench.wants(f"large {kind} {way}")]
    for way in ("plain", "tls"):
        here = [kind for kind, one in kinds if one == way]
        if not here:
            continue
        with bench.running(bench.servers(tls=way == "tls")) as servers:
            for kind in here:
                title = f"1 MiB {'echoed' if kind == 'echo' else 'streamed'}, {'TLS' if way == 'tls' else 'plain'}"
                row = Row("large", f"large {kind} {way}", title, "MB/CPU s", True)
                if kind == "stream":
                    yield streamed(
                        bench, servers, row, MEBIBYTE, 20, lambda cpu: 20 * MEBIBYTE / 1e6 / cpu, tls=way == "tls")
                    continue
                load = Load(method("Unary"), echo(MEBIBYTE), 2, 2, len(echo(MEBIBYTE)), way == "tls")
                bench.interleaved(servers, dict.fromkeys(servers, load), lambda name, cpu, rate, times: row.add(
                    name, 2 * MEBIBYTE / 1e6 / cpu, rate=rate, **latencies(times)))
                yield row


def clients(bench):
    """Client CPU per unary call of 16 B against our server, which has the other core; 1 and 5 of them behind the target."""
    rows = bench.wanted_of([
        Row("client", f"client {lanes} {backends}", f"{lanes} in flight, {backends} backend{'s' * (backends > 1)}", "CPU µs/call")
        for backends in (1, 5) for lanes in (1, 64, 512)])
    if not rows:
        return
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(Running(f"backend {index}", [bench.volery, "server", "{port}"], LOAD_CORE))
                   for index in range(5)]
        for row in rows:
            _, lanes, backends = row.key.split()
            ports = ",".join(str(server.port) for server in servers[:int(backends)])
            words = ["client", ports, lanes, round_seconds(bench), 16]
            commands = {
                OURS: [bench.volery, *words], CALLBACK: [bench.cpp, *words, "callback"],
                QUEUE: [bench.cpp, *words, "queue"], SWIFT: [bench.swift, *words],
                GRPCIO: [bench.python, bench.grpcio, *words[1:]],
            }
            commands = {name: one for name, one in commands.items() if shutil.which(one[0])}
            for _ in range(bench.rounds):
                bench.noise.look()
                for name, command in commands.items():
                    found = client(command, SERVER_CORE)
                    row.add(name, found["cpu"], **found["more"])
            yield row


def loops(bench):
    """The same server with one loop and with two, both cores open to it and to the load: what it costs a call that loops share a
    process, and whether both get their part of 16 connections. nghttpd's threads beside it."""
    row = Row("loops", "loops 16x32", "16 B, 16×32", "CPU µs/call")
    if not bench.wants(row.key):
        return
    files = bench.folder / "files"
    files.mkdir(exist_ok=True)
    body = echo(16)
    (files / "16").write_bytes(body)
    both = f"{SERVER_CORE},{LOAD_CORE}"
    commands = {f"{OURS}{'' if count == 1 else ', 2 loops'}": [bench.volery, "server", "{port}", "--loops", count] for count in (1, 2)}
    commands |= {f"{FLOOR}{'' if count == 1 else ', 2 threads'}": ["nghttpd", "--no-tls", "-n", count, "-d", files, "{port}"]
                 for count in (1, 2)}
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(Running(name, command, both)) for name, command in commands.items()}
        loads = {name: Load("/16" if name.startswith(FLOOR) else method("Unary"), None if name.startswith(FLOOR) else body,
                            16, 32, len(body), core=both) for name in servers}
        threads = {name: server.cpu_of_threads() for name, server in servers.items()}

        def take(name, cpu, rate, times):
            now = servers[name].cpu_of_threads()
            used = sorted((now[one] - threads[name].get(one, 0) for one in now), reverse=True)
            threads[name] = now
            row.add(name, cpu * 1e6, rate=rate, busiest=used[0] / statistics.mean(used[:2]), **latencies(times))

        bench.interleaved(servers, loads, take)
        yield row


def memory(bench):
    """What a server's own memory grows by, for each idle connection and each open stream."""
    rows = {
        "idle connection": Row("memory", "idle connection", "idle connection (1,000 open)", "kB"),
        "used connection": Row("memory", "used connection", "the same after a call on each", "kB"),
        "idle TLS connection": Row("memory", "idle TLS connection", "idle TLS connection (1,000 open)", "kB"),
        "open stream": Row("memory", "open stream", "open stream (10,000 on 100 connections)", "kB"),
        "many TLS connections": Row("memory", "many TLS connections", f"idle TLS connection ({MANY:,} open)", "kB"),
        "subchannel": Row("memory", "subchannel", "a channel's connected server (1,000 of them, a call or more on each)", "kB"),
        "resting subchannel": Row("memory", "resting subchannel", "the same at rest", "kB"),
    }
    if not bench.wants("memory") and not bench.wanted_of(rows.values()):
        return
    wants = lambda key: bench.wants("memory") or bench.wants(key)
    for _ in range(min(bench.rounds, 3)):
        if wants("subchannel") or wants("resting subchannel"):
            called, resting = subchannels(bench, 1000)
            rows["subchannel"].add(OURS, called)
            rows["resting subchannel"].add(OURS, resting)
    if wants("many TLS connections") and resource.getrlimit(resource.RLIMIT_NOFILE)[0] > MANY + 100:
        for name, command in bench.servers(tls=True).items():
            with Running(name, command) as server, warmed(server, MANY, unverified()) as (_, before):
                rows["many TLS connections"].add(name, (server.resident() - before) / MANY / 1000)
    if not any(wants(key) for key in list(rows)[:4]):
        yield from (row for row in rows.values() if row.rounds)
        return
    for _ in range(min(bench.rounds, 3)):
        for name, command in bench.servers().items():
            with Running(name, command) as server:
                with warmed(server, 1000) as (load, before):
                    rows["idle connection"].add(name, (server.resident() - before) / 1000 / 1000)
                    load.call()
                    load.settle(1)
                    rows["used connection"].add(name, (server.resident() - before) / 1000 / 1000)
            with Running(name, command) as server:
                with warmed(server, 100) as (load, _):
                    load.call()
                    before = server.resident()
                    load.open_streams(100)
                    load.settle(1)
                    rows["open stream"].add(name, (server.resident() - before) / 10_000 / 1000)
        for name, command in bench.servers(tls=True).items():
            with Running(name, command) as server:
                with warmed(server, 1000, unverified()) as (_, before):
                    rows["idle TLS connection"].add(name, (server.resident() - before) / 1000 / 1000)
    yield from (row for row in rows.values() if row.rounds)


def subchannels(bench, count):
    """What a channel takes for each of so many servers, which are one by its addresses: after the calls, and at rest."""
    with Running("server", [bench.volery, "server", "{port}", "--host", "0.0.0.0"], LOAD_CORE) as server:
        with subprocess.Popen(
                pinned(SERVER_CORE, [bench.volery, "subchannels", server.port, count]), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True) as process:
            def stage(expected):
                said = process.stdout.readline().strip()
                if said != expected:
                    raise SystemExit(f"{process.args}: {expected!r} expected, {said!r} said")
                return resident(process)
            try:
                before = stage("before")
                process.stdin.write("\n")
                process.stdin.flush()
                called = stage("called")
                time.sleep(4)
                return (called - before) / count / 1000, (resident(process) - before) / count / 1000
            finally:
                process.kill()


@contextlib.contextmanager
def warmed(server, connections, tls=None):
    """What a server needs once is there already: its memory before, and so many idle connections."""
    with IdleLoad(server.port, 10, tls) as first:
        first.call()
        time.sleep(0.5)
        before = server.resident()
        with IdleLoad(server.port, connections, tls) as load:
            load.settle(1)
            yield load, before


def size(bench):
    """What a program costs besides: read from what build_time.py wrote, and the programs themselves."""
    rows = [
        Row("size", "binary size", "benchmark program, stripped", "MB"),
        Row("size", "build time", "clean release build of HelloWorld", "s"),
        Row("size", "build cpu", "the same, CPU of all processes", "s"),
        Row("size", "packages", "packages that HelloWorld fetches", "packages"),
    ]
    if not bench.wants("size") and not bench.wanted_of(rows):
        return
    for name, command in bench.servers().items():
        if name != CPP:  # Its library is outside the program.
            stripped = bench.folder / "stripped"
            subprocess.run(["strip", "-o", stripped, command[0]], check=True)
            rows[0].add(name, stripped.stat().st_size / 1e6)
    found = bench.programs / "build_time.json"
    if found.exists():
        for name, built in json.loads(found.read_text())["programs"].items():
            rows[1].add(name, built["seconds"])
            rows[2].add(name, built["cpu_seconds"])
            rows[3].add(name, built["packages"])
    yield from (row for row in rows if row.rounds)


GROUPS = {
    "instructions": instructions, "unary": unary, "stream": stream, "ping-pong": ping_pong, "large": large, "client": clients,
    "loops": loops, "proxy": proxies, "memory": memory, "size": size,
}
