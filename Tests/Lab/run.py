#!/usr/bin/env python3
"""The laboratory: one client, N pods, and what goes wrong between them. Runs named scenarios, each in mount, network and
process namespaces of its own with a real DNS server, and compares what was measured with the bar of its statement.

    run.py [--quick] [CASE ...]     cases by name or first letter: A1, C, B4-grpcio; all of them by default

Needs root, dnsmasq and iproute2; nothing leaves the namespaces. Prints a table; writes results.json, results.md and a
picture for each scenario that has one to --out. Ends with 0 only if every case passed."""

import argparse
import datetime
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

# The pictures that go with the page of the last full run.
PICTURES = {"C1": "rolling-restart", "C9": "rolling-restart-of-proxies", "B4": "frozen-pod", "D1": "black-hole"}
# The one of them that is shown with the other client too.
REFERENCE_PICTURE = "C1"
KNOWN_FILE = "known-failures.txt"
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

from lab import one, picture, reference, report  # noqa: E402, F401
from lab.scenario import CASES  # noqa: E402


def known_failures():
    """By case: what is known not to reach its bar, how far from it, and why. It fails `make lab`, not the tests."""
    found = {}
    for line in (HERE / KNOWN_FILE).read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, words, worst, reason = (part.strip() for part in line.split("|", 3))
            found.setdefault(name, []).append((words, float(worst), reason))
    return found


def why_known(result):
    """The reasons why a case fails, where each of its failures is a known one and no worse than is known; None where
    there is another."""
    missed = [check for check in result["checks"] if not check["pass"]]
    reasons = []
    for check in missed:
        found = [
            reason
            for words, worst, reason in KNOWN.get(result["name"], [])
            if words in check["what"] and check["value"] is not None and check["value"] <= worst
        ]
        if not found:
            return None
        reasons += [reason for reason in found if reason not in reasons]
    return None if result["error"] else "; ".join(reasons) or None


KNOWN = known_failures()
RUNNING = set()


def stop(number, _):
    """Somebody ends the run: everything that it has started ends too, with its namespaces."""
    for process in list(RUNNING):
        process.kill()
    os._exit(128 + number)


def run(case, options, attempt_limit):
    """Runs one case in its own namespaces; what outlives its limit is ended with them."""
    with tempfile.TemporaryDirectory(prefix=f"volery-lab-{case.name}-") as folder:
        result = pathlib.Path(folder) / "result.json"
        command = [
            "unshare",
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
            sys.executable,
            str(HERE / "lab" / "one.py"),
            case.name,
            folder,
            str(result),
            "--program",
            options.program,
            "--python",
            options.python,
        ]
        command += [
            flag
            for flag, is_set in (
                ("--quick", options.quick),
                ("--reference", options.reference),
                ("--shared", options.shared),
            )
            if is_set
        ]
        output = pathlib.Path(folder) / "output"
        started = time.monotonic()
        with open(output, "wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file)
            RUNNING.add(process)
            try:
                process.wait(attempt_limit)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            RUNNING.discard(process)
        if result.exists():
            found = json.loads(result.read_text())
        else:
            found = {
                "checks": [],
                "notes": [],
                "timeline": None,
                "echo": 0.0,
                "skipped": None,
                "error": f"no result within {attempt_limit} s",
                "seconds": time.monotonic() - started,
            }
        if found["error"]:
            found["notes"].append(output.read_text(errors="replace")[-1500:])
        if options.keep:
            kept = pathlib.Path(options.keep) / case.name
            kept.mkdir(parents=True, exist_ok=True)
            for file in pathlib.Path(folder).iterdir():
                if file.is_file():
                    (kept / file.name).write_bytes(file.read_bytes())
    found.update(name=case.name, statement=case.statement, title=case.title)
    found["first"] = None
    found["pass"] = (
        not found["error"]
        and not found["skipped"]
        and bool(found["checks"])
        and all(check["pass"] for check in found["checks"])
    )
    found["known"] = why_known(found)
    return found


def second_tries(results, options):
    """A case that failed among others is run once more, alone, and both results are shown."""
    for index, first in enumerate(results):
        if first["pass"] or first["known"] or first["skipped"]:
            continue
        results[index] = run(CASES[first["name"]], options, CASES[first["name"]].limit)
        results[index]["first"] = first
        report.print_case(results[index])


def chosen(options):
    cases = sorted(CASES.values(), key=lambda case: (case.statement[0], int(case.statement[1:]), case.name))
    if options.cases:
        wanted = [word.lower() for word in options.cases]
        unknown = [
            word
            for word in wanted
            if not any(case.name.lower() == word or case.statement.lower().startswith(word) for case in cases)
        ]
        if unknown:
            sys.exit(f"no such case: {', '.join(unknown)}; known are {', '.join(case.name for case in cases)}")
        cases = [
            case
            for case in cases
            if any(
                case.name.lower() == word
                or case.statement.lower() == word
                or (len(word) == 1 and case.statement[0].lower() == word)
                for word in wanted
            )
        ]
    elif options.quick:
        cases = [case for case in cases if case.quick and "grpcio" not in case.name]
    if not options.python:
        cases = [case for case in cases if "grpcio" not in case.name]
    return cases


def reference_how(options):
    """What the other implementation's figures were taken with."""
    version = subprocess.run(
        [options.python, "-c", "import grpc; print(grpc.__version__)"], check=True, capture_output=True, text=True
    ).stdout.strip()
    return f"grpcio {version}, {datetime.date.today()}, {report.machine()}"


def keep_pictures(results, folder, suffix=""):
    for result in results:
        if result["timeline"]:
            file = folder / "Pictures" / f"{PICTURES[result['name']]}{suffix}.svg"
            file.parent.mkdir(exist_ok=True)
            file.write_text(picture.draw(result["timeline"]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--quick", action="store_true", help="shorter trials, and only the subset for the tests")
    parser.add_argument("--program", default=str(ROOT / ".build/release/volery-lab"))
    parser.add_argument("--python", default="", help="a Python with grpcio, for pods of another implementation")
    parser.add_argument("--out", default=str(ROOT / ".build/lab"))
    parser.add_argument("--page", help="write the table of a whole run here, and its pictures to the folder Pictures beside it")
    parser.add_argument("--keep", help="keep the logs of every case here")
    parser.add_argument(
        "--reference",
        action="store_true",
        help="another implementation's client (grpcio's round_robin) in the place of ours, to compare",
    )
    parser.add_argument(
        "--shared",
        action="store_true",
        help="this machine has other things to do: bars for times are wider by what an echo takes on it",
    )
    parser.add_argument(
        "--keep-reference",
        action="store_true",
        help="with --reference: the figures become those that the page shows beside ours, and so does the picture",
    )
    parser.add_argument("--jobs", type=int, default=1, help="cases at once, each in its own network")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    cases = chosen(options)
    # A page of some cases would lose the others.
    if options.page and (options.cases or options.quick):
        print(f"only some cases: {options.page} stays as it is")
        options.page = None
    if options.list:
        for case in cases:
            print(f"{case.name:12} {case.title}")
        return
    if os.geteuid() != 0:
        sys.exit("the laboratory needs root, for namespaces of its own")
    if subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "true"]).returncode != 0:
        sys.exit("the laboratory needs namespaces of its own, and this machine does not let it have them")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    results = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(lambda case: run(case, options, case.limit), cases):
            results.append(result)
            report.print_case(result)
    if not options.cases and not options.reference:
        second_tries(results, options)
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    stored = HERE / "reference.json"
    if options.reference and options.keep_reference:
        reference.update(stored, results, CASES, reference_how(options))
    figures = {} if options.reference else reference.figures(reference.read(stored), CASES)
    report.write(results, out, figures, options)
    if not options.cases and not options.quick:
        for name in reference.stale(reference.read(stored), CASES):
            print(f"  {name:10} the figures of grpcio's client were taken with another measure: make lab-reference")
    for result in results:
        if result["timeline"]:
            (out / f"{result['name']}.svg").write_text(picture.draw(result["timeline"]))
    report.print_summary(results, out)
    if options.page:
        pathlib.Path(options.page).write_text((out / "results.md").read_text())
        keep_pictures([result for result in results if result["name"] in PICTURES], pathlib.Path(options.page).parent)
    if options.reference and options.keep_reference:
        pictured = [result for result in results if result["name"] == REFERENCE_PICTURE]
        keep_pictures(pictured, ROOT / "Docs", "-grpcio-client")
    sys.exit(
        0
        if all(
            result["pass"] or options.quick and (result["known"] or result["skipped"])
            for result in results
        )
        else 1
    )


if __name__ == "__main__":
    main()
