#!/usr/bin/env python3
"""Runs protobuf's official conformance runner over the testee and says what came of it, as a Markdown table.

Every test that fails is an error, recommended ones too, unless expected-failures.txt names it with a reason. A test that
the testee skips is an error, unless a pattern in expected-skips.txt fits it."""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TEST = re.compile(r"^conformance test: name=((?:Required|Recommended)\.[^,]+),")
FAILED = re.compile(r"^(?:ERROR|WARNING), test=([^ ,]+): (.*)")
SKIPPED = re.compile(r"^SKIPPED, test=([^ ,]+) ")
SUITE = re.compile(r"^CONFORMANCE SUITE (PASSED|FAILED): .*")


def listed(path):
    """What a list of exceptions says: reason by name. A line without a reason is an error."""
    entries = {}
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, reason = line.partition("#")
        if not reason.strip():
            sys.exit(f"{path.name}: no reason is given for {name.strip()}")
        entries[name.strip()] = reason.strip()
    return entries


def is_text(name):
    """Whether a test belongs to the suite of the text format, which has a list of failures of its own."""
    return ".TextFormat" in name


class Run:
    """One run of both suites."""

    def __init__(self, runner, testee, expected, timeout):
        self.tests, self.failed, self.skipped, self.suites, self.complaints = [], {}, set(), [], []
        with tempfile.TemporaryDirectory() as folder:
            lists = {"--failure_list": [], "--text_format_failure_list": []}
            for name in expected:
                lists["--text_format_failure_list" if is_text(name) else "--failure_list"].append(name)
            flags = []
            for flag, names in lists.items():
                path = pathlib.Path(folder, flag.strip("-"))
                path.write_text("".join(f"{name}\n" for name in names))
                flags += [flag, path]
            run = subprocess.run(
                [runner, "--enforce_recommended", "--verbose", *flags, "--output_dir", folder, testee],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
        self.code = run.returncode
        self.read(run.stderr.decode("utf-8", "replace"), expected)

    def read(self, output, expected):
        for line in output.splitlines():
            if match := TEST.match(line):
                self.tests.append(match[1])
            elif match := FAILED.match(line):
                self.failed[match[1]] = match[2]
            elif match := SKIPPED.match(line):
                self.skipped.add(match[1])
            elif match := SUITE.match(line):
                self.suites.append(line)
            elif "in the failure list, but test succeeded" in line:
                self.complaints.append(line)
        self.complaints += [f"{name} is in the list of failures, but there is no such test"
                            for name in expected if name not in self.tests]


def table(run, expected):
    """Passed / all by level, syntax, and formats."""
    counts = collections.defaultdict(collections.Counter)
    for name in run.tests:
        level, syntax, *rest = name.split(".")
        if syntax not in ("Proto2", "Proto3"):  # Six names have no syntax and no input.
            syntax, rest = "Proto3", ["ProtobufInput" if "ProtoInput" in name else "JsonInput", *rest]
        source = rest[0].removesuffix("Input")
        result = rest[-1].removesuffix("Output") if rest[-1].endswith("Output") else "(rejected)"
        verdict = "skipped" if name in run.skipped else "passed"
        if name in expected:
            verdict = "expected to fail"
        elif name in run.failed:
            verdict = "failed"
        counts[level, syntax, source, result][verdict] += 1
    columns = ["passed", "failed", "expected to fail", "skipped"]
    lines = ["| level | syntax | from | to | tests | " + " | ".join(columns) + " |", "|---|---|---|---|" + "---:|" * 5]
    for key in sorted(counts):
        one = counts[key]
        lines.append("| " + " | ".join([*key, str(sum(one.values())), *(str(one[column]) for column in columns)]) + " |")
    for level in ("Required", "Recommended"):
        one = sum((count for key, count in counts.items() if key[0] == level), collections.Counter())
        cells = [str(sum(one.values())), *(str(one[column]) for column in columns)]
        lines.append(f"| **{level}** | | | | " + " | ".join(f"**{cell}**" for cell in cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runner", required=True)
    parser.add_argument("--testee", required=True)
    parser.add_argument("--failures", type=pathlib.Path, help="where to write the failures, as JSON: what by test")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for a run of both suites")
    options = parser.parse_args()
    expected = listed(HERE / "expected-failures.txt")
    may_skip = [re.compile(pattern) for pattern in listed(HERE / "expected-skips.txt")]

    run = Run(options.runner, options.testee, expected, options.timeout)
    if len(run.suites) == 1:
        # The runner stops after a suite that failed. With its failures excused it goes on to the next.
        rest = Run(options.runner, options.testee, {**expected, **run.failed}, options.timeout)
        new = [name for name in rest.tests if is_text(name)]
        run.tests += new
        run.skipped |= {name for name in rest.skipped if is_text(name)}
        run.failed |= {name: why for name, why in rest.failed.items() if is_text(name)}
        run.suites += rest.suites[1:]

    unexpected = {name: why for name, why in run.failed.items() if name not in expected}
    skipped = sorted(name for name in run.skipped if not any(pattern.search(name) for pattern in may_skip))
    print(table(run, expected) + "\n")
    for line in run.suites:
        print(line)
    if options.failures:
        options.failures.write_text(json.dumps({**unexpected, **{name: "skipped" for name in skipped}}, indent=1))
    for name, why in sorted(unexpected.items())[:40]:
        print(f"FAILED {name}: {why[:400]}")
    for line in run.complaints:
        print(line)
    if skipped:
        print(f"{len(skipped)} tests are skipped that should not be, {skipped[0]} the first")
    if not run.tests or unexpected or skipped or run.complaints or run.code or len(run.suites) < 2:
        sys.exit(f"conformance: NOT PASSED, {len(unexpected)} unexpected failures, the runner exited with {run.code}")
    print(f"conformance: passed, {len(run.tests)} tests, {len(run.skipped)} skipped, {len(expected)} expected to fail")


if __name__ == "__main__":
    main()
