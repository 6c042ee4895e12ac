"""The results as a table: for the terminal, as Markdown, as JSON."""

import datetime
import json
import os
import pathlib
import platform
import sys


def _colour(text, number):
    return f"\033[{number}m{text}\033[0m" if sys.stdout.isatty() else text


def _verdict(is_met):
    return _colour("pass", 32) if is_met else _colour("FAIL", 31)


def print_case(result):
    verdict = _colour("skip", 33) if result["skipped"] else _verdict(result["pass"])
    print(f"{verdict}  {result['name']:10} {result['title']}  ({result['seconds']:.0f} s)")
    for check in result["checks"]:
        mark = "     " if check["pass"] else _colour("  !  ", 31)
        print(f"   {mark} {check['what']}: {check['measured']}   (bar {check['bar']})")
    if result["skipped"]:
        print(f"         skipped: {result['skipped']}")
    if result["error"]:
        print(f"    {_colour('error', 31)}  {result['error']}")
    if result["known"]:
        print(f"         known: {result['known']}")
    if result["first"]:
        print(f"         second try; the first one missed: {missed_by(result['first'])}")
    if result["echo"] > 0.02:
        print(f"         . this machine's slowest echo took {result['echo'] * 1000:.0f} ms")
    for note in result["notes"]:
        print(f"         . {note}")
    sys.stdout.flush()


def missed_by(result):
    missed = [
        f"{check['what']}: {check['measured']} (bar {check['bar']})" for check in result["checks"] if not check["pass"]
    ]
    return "; ".join(missed) or result["error"] or result["skipped"]


def print_summary(results, out):
    passed = sum(1 for result in results if result["pass"])
    print(f"\n{passed} of {len(results)} cases passed; the tables are {out}/results.md and results.json")
    for result in results:
        if result["first"]:
            verdict = "passed" if result["pass"] else "failed too"
            print(f"  {result['name']:10} first try: {missed_by(result['first'])}; the second one {verdict}")
        if not result["pass"]:
            print(f"  {result['name']:10} {missed_by(result)}")


def machine():
    return f"{os.cpu_count()} cores of {_processor()}, {platform.system()} {platform.release().split('-')[0]}"


def markdown(results, reference, options):
    """`reference` holds another implementation's figures by case and by what was measured."""
    passed = sum(1 for result in results if result["pass"])
    build = "an optimised build" if "release" in options.program else "a debug build"
    lines = [
        "# Figures of the laboratory",
        "",
        f"{passed} of {len(results)} cases reach their bars. Measured on {machine()}, {datetime.date.today()}, with {build}; "
        "written by `make lab` ([what it does](../Tests/Lab/README.md)).",
        "",
        "DNS is polled every second here where the case does not say otherwise; the product's own interval is 5 s, so add 4 s",
        "to what waits for a poll. The last column is the same scenario with grpcio's client (gRPC C-core, `round_robin`), where",
        "that can run it, taken under the very measure of its line (`make lab-reference`).",
        "",
        "| Statement | Scenario | What was measured | Figure | Bar | | grpcio's client |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        theirs = reference.get(result["name"], {})
        rows = result["checks"] or [
            {"what": result["error"] or result["skipped"], "measured": "", "bar": "", "pass": False}
        ]
        for index, check in enumerate(rows):
            head = f"| {result['name']} | {result['title']} " if index == 0 else "| | "
            lines.append(
                f"{head}| {check['what']} | {check['measured']} | {check['bar']} | "
                f"{'pass' if check['pass'] else '**FAIL**'} | {theirs.get(check['what'], '')} |"
            )
    missed = [result for result in results if not result["pass"]]
    if missed:
        lines += ["", "## Bars that are not reached, and why", ""]
        for result in missed:
            reason = result["known"] or result["error"] or result["skipped"] or "not known yet"
            lines.append(f"- {result['name']}: {reason}")
    again = [result for result in results if result["first"]]
    if again:
        lines += ["", "## Run once more, alone", ""]
        for result in again:
            verdict = "reached its bars" if result["pass"] else "failed too"
            lines.append(f"- {result['name']}: the first run missed {missed_by(result['first'])}; the second {verdict}")
    return "\n".join(lines) + "\n"


def _processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def write(results, out, reference, options):
    host = {"system": platform.platform(), "cores": os.cpu_count(), "python": platform.python_version()}
    (out / "results.json").write_text(json.dumps({"machine": host, "results": results}, indent=1) + "\n")
    (out / "results.md").write_text(markdown(results, reference, options))
