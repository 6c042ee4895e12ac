#!/usr/bin/env python3
"""Runs the built tests. The suites in which a test failed are run once more, alone; both results are shown, at the end.

The machine of the gate is shared: a test that judges a time may fail because others load it. One that fails twice fails
the run; so do a crash, a run that takes longer than its limit, and more failures than a loaded machine explains.
"""

import re
import subprocess
import sys
from pathlib import Path

COMMAND = ["swift", "test", "--skip-build", "--no-parallel"]
LIMIT = 900  # seconds for a whole run
MOST_AGAIN = 3  # files with a failure; more are no accident
TESTS = Path(__file__).resolve().parent

ISSUE = re.compile(r'^✘ Test (?:"(?P<title>.+?)"|(?P<function>\w+)\(.*?\)) recorded an issue')
SUMMARY = re.compile(r"^✘ Test run with .* failed after")
SUITE = re.compile(r"\b(?:struct|class|actor|enum) (\w*Tests)\b")


def run(*arguments):
    """Passes the output on as it comes; tells the exit code, the lines that say what failed, and whether the run ended by itself."""
    process = subprocess.Popen(
        ["timeout", str(LIMIT), *COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace")
    failures, ended = [], False
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        if ISSUE.match(line):
            failures.append(line.rstrip())
        ended = ended or bool(SUMMARY.match(line))
    return process.wait(), failures, ended


def files(failures):
    """The files in which the tests stand that these lines name."""
    found = set()
    for line in failures:
        match = ISSUE.match(line)
        mark = f'"{match["title"]}"' if match["title"] else f"func {match['function']}("
        found.update(path for path in TESTS.rglob("*Tests.swift") if mark in path.read_text())
    return sorted(found)


def main():
    code, failures, ended = run(*sys.argv[1:])
    if code == 0:
        return 0
    if not ended or not failures:
        print(f"tests: the run ended with {code}{'' if ended else ', not by itself'}; no test says that it failed")
        return code
    where = files(failures)
    names = sorted({name for path in where for name in SUITE.findall(path.read_text())})
    print("\nFailed:", *failures, sep="\n  ", flush=True)
    if len(where) > MOST_AGAIN or not names:
        return code
    print(f"\nOnce more, alone: {', '.join(names)}", flush=True)
    again, failed_again, _ = run("--filter", r"\.(" + "|".join(names) + r")(/|$)")
    print("\nFailed in the whole run:", *failures, sep="\n  ")
    if again == 0:
        print("All of it passed when it was run once more, alone.")
        return 0
    print("Failed again:", *failed_again, sep="\n  ")
    return again


if __name__ == "__main__":
    sys.exit(main())
