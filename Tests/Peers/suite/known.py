"""Differences that are known, each with whose fault it is: known-differences.txt."""

import fnmatch
import pathlib
from dataclasses import dataclass, field

from .outcome import Outcome, Verdict


@dataclass
class Difference:
    """One line of the file. Client, proxy, server and case are patterns; proxy is "-" where there is none."""

    client: str
    proxy: str
    server: str
    case: str
    whose: str
    section: str
    what: str
    seen: list[Outcome] = field(default_factory=list)

    def matches(self, outcome: Outcome) -> bool:
        pairs = [
            (outcome.client, self.client),
            (outcome.proxy or "-", self.proxy),
            (outcome.server, self.server),
            (outcome.case, self.case),
        ]
        return all(any(fnmatch.fnmatchcase(name, word) for word in words.split()) for name, words in pairs)


def read(file: pathlib.Path) -> list[Difference]:
    found = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != 7 or not all(fields):
            raise SystemExit(f"{file}:{number}: seven fields are needed, separated by |")
        client, proxy, server, case, whose, section, what = fields
        found.append(Difference(client, proxy, server, case, whose, section, what))
    return found


def judge(outcomes: list[Outcome], differences: list[Difference]) -> None:
    """Failures that are known are marked so, and each difference gets those that show it."""
    for outcome in outcomes:
        if outcome.verdict is not Verdict.FAIL:
            continue
        for difference in differences:
            if difference.matches(outcome):
                outcome.verdict = Verdict.KNOWN
                difference.seen.append(outcome)
                break
