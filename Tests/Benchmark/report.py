"""The table: Markdown from rows."""

import datetime
import os
import pathlib
import platform
import subprocess

from proxies import versions
from targets import OURS, TARGETS

HEADINGS = {
    "instructions": ("Instructions", "Of one unary call, counted by callgrind, in a server and in a client: they don't depend on how "
                     "busy the machine is, and leave out the kernel. nghttpd serves a file of that size."),
    "unary": ("Unary calls, server", "Server CPU per call, µs; payload and connections × streams. A call is a protobuf "
              "message with the payload, decoded, and encoded again as the answer; nghttpd serves a file of that size."),
    "stream": ("Server streaming", "Messages per second of the server's CPU; 2 connections with 4 calls each."),
    "ping-pong": ("Bidirectional ping-pong", "Server CPU per message and its answer, µs, 16 B; our client is the load."),
    "large": ("Messages of 1 MiB", "MB of payload per second of the server's CPU. Echoed: in and out on 2 × 2 streams; "
              "streamed: out only, 2 × 4 streams."),
    "client": ("Unary calls, client", "Client CPU per call, µs, 16 B, against one server (ours), which has the other core."),
    "loops": ("Two loops", "Server CPU per unary call, µs, with one event loop and with two, when both cores are open to the server and "
              "to the load: what sharing costs. Nothing here says how much faster more cores make it."),
    "proxy": ("Proxies", "CPU of the proxy per forwarded unary call, µs, 16 B, beside that of a server which answers the calls "
              "itself; and the time that it adds to a call, one at a time. Plain HTTP/2 on both sides; each proxy has one core "
              "and one worker, the load and the server behind have the other core."),
    "memory": ("Memory", "What the server's own memory grows by, kB; raw HTTP/2 load. Measured after the first calls have "
               "made what a server makes once."),
    "size": ("Build and size", "Seconds on the clock on this machine; the program as it lies on the disk."),
}


def number(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def cell(row, program):
    value = row.median(program)
    if value is None:
        return ""
    ours = row.median(OURS)
    ratio = f" ({ours / value:.2f})" if program != OURS and ours and value else ""
    return f"{number(value)}{ratio} ±{row.spread(program) / 2:.0%}"


def line(row):
    parts = [f"{program} {cell(row, program)}" for program in row.rounds]
    return f"{row.key}, {row.unit}: " + ", ".join(parts) + (f"; {row.condition}" if row.condition else "")


def table(head, lines):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
                     + ["| " + " | ".join(one) + " |" for one in lines]) + "\n"


def verdicts(rows):
    by_key = {row.key: row for row in rows}
    found = []
    for target in TARGETS:
        row = by_key.get(target.row)
        judged = row and target.judge(row)
        if judged:
            ratio, holds = judged
            theirs = [(row.median(one, target.what), one) for one in target.against if row.median(one, target.what)]
            best = (max if target.least is not None else min)(theirs) if theirs else (None, "")
            found.append({
                "target": target.title, "against": best[1], "ours": row.median(OURS, target.what), "theirs": best[0],
                "ratio": ratio, "bar": target.bar, "holds": holds})
    return found


def targets(rows):
    return table(
        ["target", "ours", "theirs", "", "ratio", "bar", ""],
        [[one["target"], number(one["ours"]), number(one["theirs"]), one["against"], f"{one['ratio']:.3f}" if one["against"] else "", one["bar"],
          "holds" if one["holds"] else "**missed**"] for one in verdicts(rows)])


def page(rows, machine):
    parts = [
        "# Benchmarks\n",
        "Written by `make bench PAGE=Docs/Benchmarks.md`; don't edit. Every program gets the same load in turn, round after "
        "round; a figure is the median of its rounds, in brackets stands ours divided by theirs, and behind ± half of what lies "
        "between the highest and the lowest round. `machine` is what a fixed piece of work said before each round: quiet, or by how "
        "much it took longer than at its best, on the worse of both cores (Tests/Benchmark/noise.py). The program under "
        "test has one core, the load the other; CPU is the process's own. Limits, UTF-8 checks, deadlines and flow control "
        "are on. Nothing here says how a program does on more cores, or over a real network.\n",
        "\n".join(f"- {name}: {value}" for name, value in machine.items()) + "\n",
        "## Targets\n", targets(rows),
    ]
    for group, (title, text) in HEADINGS.items():
        here = [row for row in rows if row.group == group]
        if here:
            parts += [f"## {title}\n", text + "\n", figures(here)]
            if times := latencies(here):
                parts += ["Rate and latency (p50 / p99 / p99.9, µs):\n", times]
    return "\n".join(parts)


def programs(rows):
    found = []
    for row in rows:
        found += [program for program in row.rounds if program not in found]
    return found


def figures(rows):
    names = programs(rows)
    looked = any(row.condition for row in rows)
    return table(["", *names, *(["machine"] if looked else [])], [
        [row.title + ("" if rows[0].unit == row.unit else f", {row.unit}"), *(cell(row, name) for name in names),
         *([row.condition] if looked else [])]
        for row in rows])


def latencies(rows):
    names = programs(rows)

    def text(row, name):
        rate, p50 = row.median(name, "rate"), row.median(name, "p50")
        if rate is None:
            return ""
        what = f"{number(rate)}/s"
        return what if p50 is None else what + " · " + " / ".join(number(row.median(name, one)) for one in ("p50", "p99", "p99.9"))

    if not any(row.median(name, "rate") for row in rows for name in names):
        return ""
    return table(["", *names], [[row.title, *(text(row, name) for name in names)] for row in rows])


def output(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def machine(seconds, options):
    processor = [one.split(":", 1)[1].strip() for one in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                 if one.startswith("model name")]
    return {
        "date": f"{datetime.date.today()}, " + (
            "in several runs" if options.keep else
            f"{seconds / 60:.0f} minutes, {options.rounds} rounds of {options.seconds:g} s"),
        "machine": f"{os.cpu_count()} cores, {processor[0] if processor else platform.machine()}, Linux "
                   f"{platform.release().split('-')[0]}; load at the end {os.getloadavg()[0]:.1f}",
        "compiler": output("swift", "--version").splitlines()[0],
        "peers": f"gRPC C++ {output('pkg-config', '--modversion', 'grpc++')} (callback API), grpc-swift-2 "
                 f"{swift_version(options.programs)}, {output('nghttpd', '--version')}, grpcio "
                 + output(options.python, "-c", "import grpc; print(grpc.__version__)") + ", " + versions(options.programs),
    }


def swift_version(folder):
    checkout = folder / "grpc-swift/checkouts/grpc-swift-2"
    return output("git", "-C", str(checkout), "describe", "--tags") if checkout.exists() else ""
