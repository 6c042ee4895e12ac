#!/usr/bin/env python3
"""Encode and decode of six messages, by Volery and by swift-protobuf: a Markdown table, and JSON with --json FILE.

Times are thread CPU time, taken in rounds that alternate between the two inside one process; the ratio is the median of the
rounds' ratios, and of several processes' medians. Allocations come from a run of their own, with a counting malloc in front.
The exit code says whether every ratio is within its target."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
# Volery's time as a part of swift-protobuf's: (decode, encode) by message. Decoding (d) is one copy of a mebibyte in both.
TARGETS = {"a": (0.75, 0.75), "b": (0.75, 0.75), "c": (0.45, 0.40), "d": (1.0, 0.75), "e": (0.75, 0.75), "f": (0.75, 0.75)}


def rows(program, cases, environment=None):
    run = subprocess.run([program, *cases], stdout=subprocess.PIPE, env={**os.environ, **(environment or {})}, check=True)
    return {(row["case"], row["direction"]): row for row in map(json.loads, run.stdout.splitlines())}


def time_text(nanoseconds):
    return f"{nanoseconds:.0f} ns" if nanoseconds < 10_000 else f"{nanoseconds / 1000:.1f} us"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the benchmark, built for release")
    parser.add_argument("--allocations", help="allocations.c as a shared library")
    parser.add_argument("--runs", type=int, default=3, help="processes (default: 3)")
    parser.add_argument("--case", action="append", default=[], choices=TARGETS, help="only this message; may be repeated")
    parser.add_argument("--json", type=pathlib.Path, help="where to write the figures")
    options = parser.parse_args()

    runs = [rows(options.program, options.case) for _ in range(options.runs)]
    allocations = rows(options.program, options.case, {"LD_PRELOAD": options.allocations}) if options.allocations else {}
    results, missed = [], []
    for key in runs[0]:
        ratios = [run[key]["ratio"] for run in runs]
        target = TARGETS[key[0][0]][key[1] == "encode"]
        row = {
            **runs[0][key], "ratio": statistics.median(ratios), "target": target,
            "low": min(run[key]["low"] for run in runs), "high": max(run[key]["high"] for run in runs),
            "volery_ns": statistics.median(run[key]["volery_ns"] for run in runs),
            "swift_protobuf_ns": statistics.median(run[key]["swift_protobuf_ns"] for run in runs),
            **allocations.get(key, {}),
        }
        results.append(row)
        if row["ratio"] > target:
            missed.append(f"{row['case']}, {row['direction']}: {row['ratio']:.2f} > {target}")

    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {options.runs} runs of 41 rounds\n")
    print("| message | | bytes | swift-protobuf | Volery | ratio (10-90 %) | target | allocations sp / Volery |")
    print("|---|---|---:|---:|---:|---|---:|---|")
    for row in results:
        counts = "-"
        if "volery_allocations" in row:
            counts = f"{row['swift_protobuf_allocations']:.0f} / {row['volery_allocations']:.0f}"
        print(
            f"| {row['case']} | {row['direction']} | {row['bytes']} | {time_text(row['swift_protobuf_ns'])} "
            f"| {time_text(row['volery_ns'])} | **{row['ratio']:.2f}** ({row['low']:.2f}-{row['high']:.2f}) "
            f"| {row['target']} | {counts} |")
    if options.json:
        options.json.write_text(json.dumps({"cores": os.cpu_count(), "runs": options.runs, "cases": results}, indent=1))
    if missed:
        sys.exit("over the target:\n  " + "\n  ".join(missed))


if __name__ == "__main__":
    main()
