"""Instructions per unary call, ours and the peers', counted by callgrind: they don't depend on what else the machine does. The
difference of two runs with fewer and with more calls, so that what a program does once drops out."""

import json
import pathlib
import shutil
import subprocess

import callgrind
from h2load import Load
from processes import LOAD_CORE, Running, free_port, listening
from results import Row
from targets import CALLBACK, CPP, FLOOR, OURS, QUEUE
from wire import echo, method

FEW, MANY = 2048, 8192
PAYLOAD = 16


def instructions(bench):
    server = Row("instructions", "instructions server", "server, 16 B, 8×32", "instructions/call")
    client = Row("instructions", "instructions client", "client, 16 B, 64 in flight", "instructions/call")
    if not shutil.which("valgrind"):
        return
    if bench.wants(server.key) or bench.wants("instructions"):
        for _ in range(min(bench.rounds, 3)):
            of_servers(bench, server)
        yield server
    if bench.wants(client.key) or bench.wants("instructions"):
        for _ in range(min(bench.rounds, 3)):
            of_clients(bench, client)
        yield client


def of_servers(bench, row):
    files = bench.folder / "files"
    files.mkdir(exist_ok=True)
    body = echo(PAYLOAD)
    (files / str(PAYLOAD)).write_bytes(body)
    commands = {
        OURS: [bench.volery, "server", "{port}", "--loops", "1"], CPP: [bench.cpp, "server", "{port}"],
        FLOOR: ["nghttpd", "--no-tls", "-d", files, "{port}"],
    }
    for name, command in commands.items():
        if not shutil.which(command[0]):
            continue
        load = Load(f"/{PAYLOAD}", None, 8, 32, len(body)) if name == FLOOR else Load(method("Unary"), body, 8, 32, len(body))
        few, many = (served(command, load, calls, bench.folder / "callgrind.out") for calls in (FEW, MANY))
        profile = few.per(many, MANY - FEW)
        row.add(name, profile.instructions, allocations=profile.allocations)


def served(command, load, calls, output):
    """The profile of a server that is started, answers so many calls, and is stopped."""
    port = free_port()
    process = callgrind.start([str(word).replace("{port}", str(port)) for word in command], output)
    try:
        if not listening(process, port, seconds=60):
            raise SystemExit(f"{command} does not listen under callgrind")
        load.run(port, calls)
    except BaseException:
        process.kill()
        raise
    # Where a program does not handle SIGTERM, the profile is complete all the same.
    return callgrind.finish(process, output, stop=True, ended=(0, -15, 143))


def of_clients(bench, row):
    with Running("backend", [bench.volery, "server", "{port}"], LOAD_CORE) as server:
        commands = {
            OURS: lambda share: [bench.volery, "client", server.port, 64, 0, PAYLOAD, "--operations", MANY if share > 1 else FEW],
            CALLBACK: lambda share: [bench.cpp, "client", server.port, 64, 2 * share, PAYLOAD, "callback"],
            QUEUE: lambda share: [bench.cpp, "client", server.port, 64, 2 * share, PAYLOAD, "queue"],
        }
        for name, command in commands.items():
            if not shutil.which(command(1)[0]):
                continue
            few, many = (called(command(share), bench.folder / "callgrind.out") for share in (1, 4))
            profile = few[0].per(many[0], many[1] - few[1])
            row.add(name, profile.instructions, allocations=profile.allocations)


def called(command, output):
    """A client's profile, and how many calls it says that it has made."""
    said = output.with_suffix(".said")
    with said.open("w") as file:
        process = callgrind.start(list(map(str, command)), output, into=file)
        profile = callgrind.finish(process, output)
    lines = [line for line in said.read_text().splitlines() if line.startswith("{")]
    return profile, json.loads(lines[-1])["calls"]
