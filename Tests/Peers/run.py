#!/usr/bin/env python3
"""Real peers: the interoperability cases between Volery and other implementations of gRPC, in both directions, directly and
through proxies, and load through proxies that end connections.

    run.py --program volery-interop [--quick] [--only WORD ...] [--cases CASE ...] [--page Docs/Peers.md]

Everything it starts runs in a network of its own where that is allowed (root), and on the loopback device otherwise. Ends
with 0 only if nothing failed that known-differences.txt does not explain. `make peers` builds what it needs."""

import argparse
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "Support"))

import own_network  # noqa: E402
from suite import known, load, load_cases, matrix, peers, report  # noqa: E402, F401
from suite.cases import OUR_CLIENT  # noqa: E402
from suite.outcome import Outcome, Verdict  # noqa: E402
from suite.proxies import PROXIES  # noqa: E402


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / ".build/debug/volery-interop"))
    parser.add_argument("--python", default=str(ROOT / ".build/peers/python/bin/python"))
    parser.add_argument("--built", default=str(ROOT / ".build/peers"), help="where peer-go and cpp/peer-cpp are")
    parser.add_argument("--quick", action="store_true", help="the part that belongs to the tests")
    parser.add_argument("--only", nargs="*", default=[], help="routes and load cases that have one of these words")
    parser.add_argument(
        "--routes", nargs="*", default=[], help="client/server or client/proxy/server, any: to see whose fault it is"
    )
    parser.add_argument("--cases", nargs="*", default=[], help="only these cases, and no load")
    parser.add_argument("--known", default=str(HERE / "known-differences.txt"))
    parser.add_argument("--jobs", type=int, default=2, help="routes at once; load always runs alone")
    parser.add_argument("--page", help="write the page here")
    found = parser.parse_args()
    unknown = [case for case in found.cases if case not in OUR_CLIENT]
    if unknown:
        parser.error(f"unknown cases: {', '.join(unknown)}; known are {', '.join(OUR_CLIENT)}")
    return found


def proxy_programs(python: str, ours: str) -> dict[str, str]:
    sbin = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    found = {}
    for name in ("nginx", "haproxy"):
        places = [pathlib.Path(folder) / name for folder in sbin.split(os.pathsep)]
        found[name] = str(next((place for place in places if place.exists()), name))
    found["envoy"] = str(pathlib.Path(python).parent / "envoy")
    found["volery-proxy"] = str(pathlib.Path(ours).parent / "volery-proxy")
    return found


def wanted(words: list[str], name: str) -> bool:
    return not words or any(word in name for word in words)


def main() -> None:
    chosen = options()
    own_network.enter()
    started = time.monotonic()
    os.environ["PEERS_DESCRIPTORS"] = str(pathlib.Path(chosen.built) / "testing.binpb")
    programs = peers.Programs(chosen.program, chosen.python, pathlib.Path(chosen.built), HERE)
    names = peers.QUICK if chosen.quick else list(peers.MAKERS)
    used = {name: peers.MAKERS[name](programs) for name in names}
    proxies = {name: (PROXIES[name], program) for name, program in proxy_programs(chosen.python, chosen.program).items()}
    differences = known.read(pathlib.Path(chosen.known))

    def show(route: matrix.Route, outcomes: list[Outcome]) -> None:
        known.judge(outcomes, differences)
        report.print_route(str(route), outcomes)

    limits = matrix.QUICK if chosen.quick else matrix.FULL
    given = [matrix.parse(text) for text in chosen.routes] or matrix.routes(names, list(proxies), chosen.quick)
    routes = [route for route in given if wanted(chosen.only, str(route))]
    found = matrix.Matrix(used, proxies, limits, chosen.cases)
    outcomes = found.run(routes, chosen.jobs, show)
    if chosen.quick:
        # The tests share the machine with others: once more, and both results are shown.
        found.again(outcomes)
    loads = []
    for name, (_, is_quick, _) in load.CASES.items():
        if not (chosen.cases or chosen.routes) and wanted(chosen.only, name) and (is_quick or not chosen.quick):
            loads.append(load.run(name, load.Load(used["volery"], chosen.python, HERE, proxies, chosen.quick)))
            report.print_load(loads[-1])
    if chosen.page:
        versions = {name: (peer.title, peer.version()) for name, peer in used.items()}
        versions |= {name: (kind.title, kind.version(program)) for name, (kind, program) in proxies.items()}
        pathlib.Path(chosen.page).write_text(report.page(outcomes, loads, differences, versions))
    counts = report.count(outcomes)
    failed_loads = [result.name for result in loads if not result.passed]
    failed = counts[Verdict.FAIL] + len(failed_loads)
    print(f"{counts[Verdict.KNOWN]} known, {counts[Verdict.SKIP]} not there, in {time.monotonic() - started:.0f} s")
    print(f"{counts[Verdict.PASS] + len(loads) - len(failed_loads)} passed, {failed} failed", flush=True)
    sys.exit(1 if failed or not outcomes and not loads else 0)


if __name__ == "__main__":
    main()
