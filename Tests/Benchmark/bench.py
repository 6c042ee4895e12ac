#!/usr/bin/env python3
"""Volery beside its peers on this machine: bench.py --programs FOLDER --volery PROGRAM [--rows ROW ...] [--page FILE]

Every program gets the same load in turn, round after round; what counts is the median of its rounds, and the ratio to
ours. The program under test has one core, the load the other. CPU is the process's own (CLOCK_PROCESS_CPUTIME_ID), times
are h2load's or the client's. Writes results.md and results.json into --output, and the same table as a page.

Groups of rows: instructions, unary, stream, ping-pong, large, client, loops, proxy, memory, size. A row is named by its beginning: --rows "unary 16"."""

import argparse
import json
import os
import pathlib
import resource
import subprocess
import tempfile
import time

import processes
import report
from groups import GROUPS, Bench
from noise import QUIET, TOO_BUSY, condition
from processes import LOAD_CORE
from results import Row


def certificate(folder):
    """A key and a certificate for 127.0.0.1 that nobody has to trust: h2load does not check."""
    key, chain = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", chain],
        check=True, capture_output=True)
    return chain, key


def merged(file, rows):
    """The rows of earlier runs, in order, with those that were measured now in their places."""
    new = {row.key: row for row in rows}
    old = [Row.restored(one) for one in json.loads(file.read_text())["rows"]] if file.exists() else []
    found = [new.pop(row.key, row) for row in old] + list(new.values())
    order = list(GROUPS)
    return sorted(found, key=lambda row: order.index(row.group))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--volery", type=pathlib.Path, required=True, help="volery-bench, built for release")
    parser.add_argument("--programs", type=pathlib.Path, required=True, help="where the peers were built")
    parser.add_argument("--python", default="python3", help="one that has grpcio")
    parser.add_argument("--rows", default="", help="beginnings of rows' names, comma separated; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round")
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path(".build/bench"))
    parser.add_argument("--first", action="store_true", help="before all else on the machine (SCHED_RR, needs root): where "
                        "it can't be had quiet")
    parser.add_argument("--anyway", action="store_true", help="measure on a busy machine, too; its rows say so")
    parser.add_argument("--keep", action="store_true", help="keep the rows of earlier runs that are not measured now")
    parser.add_argument("--note", help="what else to say of the machine and the run")
    parser.add_argument("--page", type=pathlib.Path, help="write the table there too")
    options = parser.parse_args()
    # Children inherit it: a thousand connections need as many descriptors on either side.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    os.sched_setaffinity(0, {LOAD_CORE})
    if options.first:
        processes.prefix += ["chrt", "-r", "10"]
    wanted = [one.strip() for one in options.rows.split(",") if one.strip()]
    # "unary client" without commas: groups.
    if len(wanted) == 1 and all(word in GROUPS for word in wanted[0].split()):
        wanted = wanted[0].split()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        bench = Bench(options, wanted, folder, certificate(folder))
        rows = []
        busy = bench.noise.first()
        if busy > TOO_BUSY and not options.anyway:
            raise SystemExit(f"The machine is busy: a fixed piece of work takes {busy:.0%} longer than at its best. Wait until it is "
                             "quiet, or measure with --anyway (make bench BENCH_OPTIONS=--anyway); the rows will say so.")
        print(f"The machine is {'quiet' if busy <= QUIET else 'not quiet'}: {busy:.1%} over its best.", flush=True)
        for measure in GROUPS.values():
            looks = []
            for row in measure(bench):
                # Some rows are taken in the same rounds.
                looks = bench.noise.taken() or looks
                row.condition = condition(looks) if looks else ""
                rows.append(row)
                print(report.line(row), flush=True)
    if not rows:
        raise SystemExit(f"no row begins with {options.rows!r}")
    if options.keep:
        rows = merged(options.output / "results.json", rows)
    machine = report.machine(time.monotonic() - began, options)
    if options.note:
        machine["note"] = options.note
    options.output.mkdir(parents=True, exist_ok=True)
    text = report.page(rows, machine)
    (options.output / "results.md").write_text(text)
    (options.output / "results.json").write_text(
        json.dumps({"machine": machine, "targets": report.verdicts(rows), "rows": [row.json() for row in rows]}, indent=1))
    if options.page:
        options.page.write_text(text)
    print("\n" + report.targets(rows) + f"\nThe rest: {options.output}/results.md")


if __name__ == "__main__":
    main()
