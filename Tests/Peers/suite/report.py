"""The results, for the terminal and as the page Docs/Peers.md."""

import datetime
import os
import platform

from .cases import FIELD, INTEROP, TOOLS
from .known import Difference
from .load import LoadResult
from .outcome import Outcome, Verdict


def print_route(route: str, outcomes: list[Outcome]) -> None:
    counts = count(outcomes)
    shown = ", ".join(f"{number} {verdict}" for verdict, number in counts.items() if number)
    print(f"{route:38} {shown}", flush=True)
    for outcome in outcomes:
        if outcome.verdict in (Verdict.FAIL, Verdict.KNOWN):
            print(f"    {outcome.verdict:5} {outcome.case}: {outcome.text}", flush=True)


def print_load(result: LoadResult) -> None:
    print(f"{'pass' if result.passed else 'FAIL'}  {result.name:26} {result.title}")
    for check in result.checks:
        print(f"   {' ' if check.passed else '!'} {check.what}: {check.measured}   (bar {check.bar})")
    for note in result.notes:
        print(f"     . {note}", flush=True)


def count(outcomes: list[Outcome]) -> dict[Verdict, int]:
    return {verdict: sum(1 for outcome in outcomes if outcome.verdict is verdict) for verdict in Verdict}


def _by_route(outcomes: list[Outcome]) -> dict[tuple[str, str, str], list[Outcome]]:
    found: dict[tuple[str, str, str], list[Outcome]] = {}
    for outcome in outcomes:
        found.setdefault((outcome.client, outcome.proxy, outcome.server), []).append(outcome)
    return found


def page(
    outcomes: list[Outcome],
    loads: list[LoadResult],
    differences: list[Difference],
    versions: dict[str, tuple[str, str]],
) -> str:
    """`versions`: title and version by name of peer or proxy."""
    lines = [
        "# Real peers",
        "",
        "What `make peers` found ([how it works](../Tests/Peers/README.md)): the interoperability cases of gRPC and those of",
        "our own below, between Volery and other implementations, in both directions, directly and through proxies.",
        "",
        f"Measured on {os.cpu_count()} cores, {platform.system()} {platform.release().split('-')[0]}, {datetime.date.today()}.",
        "",
        "| Peer or proxy | Version |",
        "|---|---|",
        *(f"| {title} | {version} |" for name, (title, version) in versions.items() if name != "volery"),
        "",
        "## Cases",
        "",
        "*Passed* is of the cases that both ends have; *known* are those that fail for a reason which the next table has; *not",
        "there* are those that an end lacks (a library without compression, a server that can't see whether a request was",
        "compressed).",
        "",
        "| Client | Proxy | Server | Passed | Known | Not there | Failed |",
        "|---|---|---|---|---|---|---|",
    ]
    for (client, proxy, server), found in _by_route(outcomes).items():
        counts = count(found)
        total = len(found) - counts[Verdict.SKIP]
        failed = ", ".join(outcome.case for outcome in found if outcome.verdict is Verdict.FAIL)
        lines.append(
            f"| {client} | {proxy or '–'} | {server} | {counts[Verdict.PASS]} of {total} | {counts[Verdict.KNOWN] or ''} | "
            f"{counts[Verdict.SKIP] or ''} | {f'**{failed}**' if failed else ''} |"
        )
    lines += _differences(differences) + _loads(loads) + _names()
    return "\n".join(lines) + "\n"


def _differences(differences: list[Difference]) -> list[str]:
    lines = [
        "",
        "## What differs, and whose fault it is",
        "",
        "| Client | Proxy | Server | Case | Whose | Section | What |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in differences:
        seen = "" if each.seen else " (not seen in this run)"
        lines.append(
            f"| {each.client} | {each.proxy} | {each.server} | {each.case} | {each.whose} | {each.section} | "
            f"{each.what}{seen} |".replace("*", "any")
        )
    return lines


def _loads(loads: list[LoadResult]) -> list[str]:
    lines = [
        "",
        "## Under load, through proxies that end connections",
        "",
        "Open loop, a deadline of 3 s, grpcio's client (C-core) in the same run.",
        "",
        "| Case | What was measured | Figure | Bar | | Beside it |",
        "|---|---|---|---|---|---|",
    ]
    for result in loads:
        for index, check in enumerate(result.checks):
            head = result.title if index == 0 else ""
            notes = "; ".join(result.notes[:-1]) if index == 0 else ""
            verdict = "pass" if check.passed else "**FAIL**"
            lines.append(f"| {head} | {check.what} | {check.measured} | {check.bar} | {verdict} | {notes} |")
    return lines


def _names() -> list[str]:
    return [
        "",
        "## The cases",
        "",
        "Of grpc/grpc doc/interop-test-descriptions.md: " + ", ".join(f"`{name}`" for name in INTEROP) + ".",
        "",
        "Ours:",
        "",
        *(f"- `{name}`: {what}" for name, what in FIELD.items()),
        "",
        "Of the services that tools and probes ask:",
        "",
        *(f"- `{name}`: {what}" for name, what in TOOLS.items()),
    ]
