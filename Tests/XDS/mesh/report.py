"""The results as tables: for the terminal, and for the page."""

import datetime
import os
import pathlib
import platform
import re
from typing import Any

from .case import CASES, CLIENTS

BEGIN, END = "<!-- make xds: begin -->", "<!-- make xds: end -->"
NAMES = {"volery": "Volery", "grpcio": "grpcio", "envoy": "Envoy"}
LONGEST = 300


def print_case(result: dict[str, Any]) -> None:
    verdict = "pass" if result["pass"] else "FAIL"
    print(f"{verdict}  {result['name']}: {CASES[result['name']].title}  ({result['seconds']:.0f} s)")
    for name, outcome in result["outcomes"].items():
        print(f"   {'   ' if outcome['is_right'] else ' ! '} {name:7} {outcome['text']}")
        if reason := result["known"].get(name):
            print(f"             known: {reason}")
    if result["error"]:
        print(f"    error  {result['error']}")
    for row in result.get("refusals", []):
        for name, text in row["by"].items():
            print(f"         . {row['kind']}, {row['title']}: {name}: {text}")


def machine() -> str:
    model = platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{os.cpu_count()} cores of {model}, {platform.system()} {platform.release().split('-')[0]}"


# Where and when it was, which Volery adds to the text of every failure.
CIRCUMSTANCES = re.compile(r" \((without a connection|server \S+), after .*? ago\)")


# What is another one in each run: ports, and the word that Envoy puts before a message that is printed for people.
OF_THIS_RUN = (
    (re.compile(r"(127\.0\.0\.1|x\.test):\d+"), r"\1:PORT"),
    (re.compile(r"(port_value: )(?!70000)\d+"), r"\1PORT"),
    (re.compile(r"goo\.gle/debug\w+ +"), ""),
)


def _cell(text: str) -> str:
    text = CIRCUMSTANCES.sub("", text)
    for pattern, instead in OF_THIS_RUN:
        text = pattern.sub(instead, text)
    cut = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
    return " ".join(cut.split()).replace("|", "\\|").replace("<", "&lt;")


def markdown(results: list[dict[str, Any]], versions: str, build: str, load: float) -> str:
    passed = sum(result["pass"] for result in results)
    lines = [
        BEGIN,
        "",
        f"{passed} of {len(results)} cases do what they have to. {versions}; {machine()}, {datetime.date.today()}, "
        f"{build}; the machine's load before the run: {load:.1f}. Where two differ and neither column says **no**, both are "
        "allowed to; **no** is not what the source says, and the last column says whose matter it is.",
        "",
        "| Case | By | What is wanted | Volery | grpcio | Envoy | Where they differ |",
        "|---|---|---|---|---|---|---|",
    ]
    for result in results:
        found = CASES[result["name"]]
        cells = []
        for name in CLIENTS:
            outcome = result["outcomes"].get(name)
            if outcome is None:
                cells.append("–")
            else:
                cells.append(("" if outcome["is_right"] else "**no**: ") + _cell(outcome["text"]))
        reasons = "; ".join(f"{NAMES[name]}: {_cell(reason)}" for name, reason in result["known"].items())
        lines.append(f"| {found.title} | {found.source} | {found.wanted} | {' | '.join(cells)} | {reasons} |")
    for result in results:
        if result.get("refusals"):
            lines += _refusals(result["refusals"])
    return "\n".join([*lines, "", END]) + "\n"


def _refusals(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        "",
        "What the control plane is told of resources that make no sense (`error_detail` of the NACK):",
        "",
        "| Resource | What is wrong | By | Volery | grpcio | Envoy |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        cells = " | ".join(_cell(row["by"].get(name, "–")) for name in CLIENTS)
        wanted = "" if row["refuses"] else " (accepted)"
        lines.append(f"| {row['kind']} | {row['title']} | {row['source']}{wanted} | {cells} |")
    return lines


def write(page: pathlib.Path, text: str) -> None:
    """Between the marks of the page."""
    old = page.read_text()
    before, rest = old.split(BEGIN, 1)
    after = rest.split(END, 1)[1].lstrip("\n")
    page.write_text(before + text + ("\n" + after if after else ""))
