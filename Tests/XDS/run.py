#!/usr/bin/env python3
"""The same resources for three clients side by side: Volery, grpcio's own `xds:///` (gRPC C-core), and Envoy. What each makes
of them is compared with what the gRFCs say, case by case.

    run.py --program volery-xds-probe --python PYTHON [--quick] [--page Docs/XDS.md] [CASE ...]

Everything runs in a network of its own where that is allowed (root), and on the loopback device otherwise. Ends with 0
only if nothing is wrong that known-differences.txt does not explain."""

import argparse
import fnmatch
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import traceback
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KNOWN = HERE / "known-differences.txt"
sys.path.insert(0, str(HERE.parent / "Support"))

import own_network  # noqa: E402
from mesh import failing, figures, interop, refusing, report, routing, sessions, spreading  # noqa: E402, F401: they register their cases
from mesh.case import CASES, CLIENTS, Case, Outcome  # noqa: E402
from mesh.lab import Lab  # noqa: E402


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="names or patterns; all by default")
    parser.add_argument("--program", default=str(ROOT / ".build/release/volery-xds-probe"))
    parser.add_argument("--interop", help="volery-interop; beside the program by default")
    parser.add_argument("--python", default=str(ROOT / ".build/xds/bin/python"))
    parser.add_argument("--quick", action="store_true", help="the part that belongs to the tests")
    parser.add_argument("--page", help="write the tables between the marks of this page")
    parser.add_argument("--out", default=str(ROOT / ".build/xds-results"))
    parser.add_argument("--clients", nargs="*", default=list(CLIENTS), help="only these")
    parser.add_argument("--list", action="store_true")
    found = parser.parse_args()
    found.here = HERE
    return found


def known_differences() -> list[tuple[str, str, str]]:
    """Client, pattern of cases, and why: whose matter it is."""
    found = []
    for line in KNOWN.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            client, pattern, reason = (part.strip() for part in line.split("|", 2))
            found.append((client, pattern, reason))
    return found


def run(one: Case, chosen: argparse.Namespace, known: list[tuple[str, str, str]]) -> dict[str, Any]:
    started, error, refusals = time.monotonic(), None, []
    outcomes: dict[str, Outcome] = {}
    folder = pathlib.Path(chosen.out) / one.name
    folder.mkdir(parents=True, exist_ok=True)
    for log in folder.iterdir():
        log.unlink()
    lab = Lab(chosen, folder, tuple(name for name in one.clients if name in chosen.clients))
    try:
        outcomes = one.run(lab)
        refusals = getattr(lab, "refusals", [])
    except Exception as problem:  # noqa: BLE001: whatever it is, the other cases run
        error = f"{type(problem).__name__}: {problem}"
        traceback.print_exc()
    finally:
        lab.close()
    reasons = {
        client: reason
        for client, pattern, reason in known
        if client in outcomes and any(fnmatch.fnmatch(one.name, word) for word in pattern.split()) and not outcomes[client].is_right
    }
    wrong = [name for name, outcome in outcomes.items() if not outcome.is_right and name not in reasons]
    return {
        "name": one.name,
        "outcomes": {name: {"text": found.text, "is_right": found.is_right} for name, found in outcomes.items()},
        "known": reasons,
        "error": error,
        "refusals": refusals,
        "pass": not error and not wrong and bool(outcomes),
        "seconds": time.monotonic() - started,
    }


def versions(chosen: argparse.Namespace) -> str:
    script = "import grpc; print(grpc.__version__)"
    grpcio = subprocess.run([chosen.python, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    envoy = pathlib.Path(chosen.python).parent / "envoy"
    said = subprocess.run([str(envoy), "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"version: [^/]*/([^/]+)", said)
    return f"grpcio {grpcio}, Envoy {found[1] if found else said.strip()}"


def main() -> None:
    chosen = options()
    cases = [one for one in CASES.values() if one.is_quick or not chosen.quick]
    if chosen.cases:
        cases = [one for one in CASES.values() if any(fnmatch.fnmatch(one.name, word) for word in chosen.cases)]
        if not cases:
            sys.exit(f"no such case; known are {', '.join(CASES)}")
    if chosen.list:
        for one in cases:
            print(f"{one.name:26} {one.title}")
        return
    load = os.getloadavg()[0]
    own_network.enter()
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    known = known_differences()
    results = []
    for one in cases:
        result = run(one, chosen, known)
        # Once more, alone, where a busy machine may have been in the way; both are counted if the second fails too.
        if not result["pass"] and not chosen.cases:
            report.print_case(result)
            result = run(one, chosen, known)
        report.print_case(result)
        sys.stdout.flush()
        results.append(result)
    (pathlib.Path(chosen.out) / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    failed = [result["name"] for result in results if not result["pass"]]
    print(f"\n{len(results) - len(failed)} of {len(results)} cases do what they have to" + f"; not {', '.join(failed)}" * bool(failed))
    if chosen.page and not chosen.cases and not chosen.quick:
        build = "an optimised build" if "release" in chosen.program else "a debug build"
        text = report.markdown(results, versions(chosen), build, load)
        report.write(pathlib.Path(chosen.page), text)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
