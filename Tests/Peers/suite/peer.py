"""An implementation of gRPC: a program that is a server or a client of the cases."""

import pathlib
import re
import subprocess
from dataclasses import dataclass, field

from .cases import ALL
from .outcome import Outcome, Verdict
from .process import Process

LINE = re.compile(r"^(PASS|FAIL|SKIP) (\w+)(?:: (.*))?$", re.MULTILINE)
VERDICTS = {"PASS": Verdict.PASS, "FAIL": Verdict.FAIL, "SKIP": Verdict.SKIP}


@dataclass
class Peer:
    """A program with the command line of Python/program.py: version, server PORT, client TARGET CONCURRENT CASE..."""

    name: str
    title: str
    command: list[str]
    # How many calls concurrent_large_unary makes at once.
    concurrent: int = 1000
    cases: list[str] = field(default_factory=lambda: ALL)

    def version(self) -> str:
        return subprocess.run(
            [*self.command, "version"], capture_output=True, text=True, timeout=60, check=True
        ).stdout.strip()

    def server_command(self) -> list[str]:
        return [*self.command, "server", "0"]

    def client_command(self, port: int, concurrent: int, cases: list[str]) -> list[str]:
        return [*self.command, "client", f"127.0.0.1:{port}", str(concurrent), *cases]

    def start_server(self, folder: pathlib.Path) -> Process:
        return Process(self.server_command(), folder / f"server-{self.name}.log")

    def run_client(
        self, route: tuple[str, str], port: int, concurrent: int, cases: list[str], folder: pathlib.Path, limit: float
    ) -> list[Outcome]:
        """`route`: proxy and server. A case of which the program says nothing has failed."""
        process = Process(self.client_command(port, concurrent, cases), folder / f"client-{self.name}.log")
        code = process.wait(limit)
        process.kill()
        found = {name: (VERDICTS[word], text or "") for word, name, text in LINE.findall(process.printed)}
        end = f"the run was ended after {limit:.0f} s" if code is None else f"the client has ended with {code}"
        tail = process.printed.strip().splitlines()[-1:] or [""]
        return [
            Outcome(self.name, *route, case, *found.get(case, (Verdict.FAIL, f"{end}; last: {tail[0][:200]}")))
            for case in cases
        ]
