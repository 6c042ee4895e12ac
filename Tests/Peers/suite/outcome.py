"""What came of one case."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    PASS = "pass"
    FAIL = "FAIL"
    SKIP = "skip"  # The peer lacks what the case is about.
    KNOWN = "known"  # It fails, and known-differences.txt says whose fault that is.


@dataclass
class Outcome:
    client: str
    proxy: str  # "" for none
    server: str
    case: str
    verdict: Verdict
    text: str = ""

    @property
    def route(self) -> str:
        return " → ".join(word for word in (self.client, self.proxy, self.server) if word)
