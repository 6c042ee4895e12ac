"""The results as a table: for the terminal, as Markdown, as JSON."""

import json
import platform
import os
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
        print(f"         known: {result['known']}" if not result["pass"] else
              "         listed in known-failures.txt, but passes now")
    for note in result["notes"]:
        print(f"         . {note}")
    sys.stdout.flush()


def print_summary(results, out):
    passed = sum(1 for result in results if result["pass"])
    print(f"\n{passed} of {len(results)} cases passed; the tables are {out}/results.md and results.json")
    for result in results:
        if result["excuse"]:
            print(f"  {result['name']:10} {result['excuse']}")
        if not result["pass"]:
            missed = [f"{check['what']}: {check['measured']} (bar {check['bar']})" for check in result["checks"]
                      if not check["pass"]]
            print(f"  {result['name']:10} {'; '.join(missed) or result['error'] or result['skipped']}")


def markdown(results):
    lines = ["| Statement | Scenario | What was measured | Figure | Bar | |", "|---|---|---|---|---|---|"]
    for result in results:
        rows = result["checks"] or [{"what": result["error"] or result["skipped"], "measured": "", "bar": "", "pass": False}]
        for index, check in enumerate(rows):
            head = f"| {result['name']} | {result['title']} " if index == 0 else "| | "
            lines.append(f"{head}| {check['what']} | {check['measured']} | {check['bar']} | "
                         f"{'pass' if check['pass'] else '**FAIL**'} |")
    return "\n".join(lines) + "\n"


def write(results, out):
    machine = {"system": platform.platform(), "cores": os.cpu_count(), "python": platform.python_version()}
    (out / "results.json").write_text(json.dumps({"machine": machine, "results": results}, indent=1) + "\n")
    (out / "results.md").write_text(markdown(results))
