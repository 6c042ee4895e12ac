#!/usr/bin/env python3
"""Times a clean release build of Examples/HelloWorld and of the same program on grpc-swift-2 (Peers/hello-grpc-swift).

Packages are fetched first, which is not timed: what counts is what a change of compiler or a fresh machine in CI costs once
the sources are there. Prints a Markdown table: seconds on the clock, seconds of CPU of all processes (which the machine's
other load does not change much), packages fetched, megabytes of their sources, and the ratio of the second row to the first."""

import argparse
import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = {
    "Volery": ROOT / "Examples/HelloWorld",
    "grpc-swift-2": ROOT / "Tests/Benchmark/Peers/hello-grpc-swift",
}


def swift(verb, package, scratch, *arguments):
    command = ["swift", verb, "--package-path", package, "--scratch-path", scratch, *arguments]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode:
        raise SystemExit(f"{command} failed:\n{run.stdout[-4000:]}")


def cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def fetched(scratch):
    state = json.loads((scratch / "workspace-state.json").read_text())
    packages = [one for one in state["object"]["dependencies"] if one["packageRef"]["kind"] == "remoteSourceControl"]
    checkouts = scratch / "checkouts"
    size = sum(file.stat().st_size for file in checkouts.rglob("*.swift")) + sum(
        file.stat().st_size for kind in ("*.c", "*.cc", "*.h", "*.S") for file in checkouts.rglob(kind))
    return len(packages), size / 1e6


def measure(package, scratch):
    swift("package", package, scratch, "resolve")
    before, started = cpu(), time.monotonic()
    swift("build", package, scratch, "-c", "release")
    return time.monotonic() - started, cpu() - before


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scratch", type=pathlib.Path, help="where to build; a temporary folder by default")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures there too, for `make bench`")
    options = parser.parse_args()
    work = options.scratch or pathlib.Path(tempfile.mkdtemp(prefix="volery-build-time-"))
    work.mkdir(parents=True, exist_ok=True)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print("| HelloWorld on | build, s | CPU, s | packages fetched | their sources, MB | time, of grpc-swift-2's |")
    print("|---|---|---|---|---|---|", flush=True)
    rows = {}
    for name, package in PROGRAMS.items():
        scratch = work / name
        shutil.rmtree(scratch, ignore_errors=True)
        rows[name] = (*measure(package, scratch), *fetched(scratch))
        print(f"{name}: {rows[name][0]:.1f} s, {rows[name][1]:.1f} s of CPU", file=sys.stderr, flush=True)
    last = rows["grpc-swift-2"]
    for name, (seconds, cpu_seconds, packages, megabytes) in rows.items():
        print(f"| {name} | {seconds:.1f} | {cpu_seconds:.1f} | {packages} | {megabytes:.1f} | {seconds / last[0]:.3f} |")
    if options.json:
        figures = {name: {"seconds": row[0], "cpu_seconds": row[1], "packages": row[2]} for name, row in rows.items()}
        options.json.write_text(json.dumps({"programs": figures}, indent=1))
    if not options.scratch:
        shutil.rmtree(work)
    if rows["Volery"][0] * 3 > last[0]:
        raise SystemExit("Volery's takes more than a third of the time")


if __name__ == "__main__":
    main()
