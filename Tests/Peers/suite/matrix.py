"""The cases over every route: each peer with us directly in both directions, and some through each proxy."""

import contextlib
import pathlib
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from .outcome import Outcome, Verdict
from .peer import Peer
from .process import NotStarted
from .proxy import Proxy

OURS = "volery"
# Whom the proxies are tried with; each as client of our server and as server of our client, and ours with ours.
BEHIND_PROXIES = [OURS, "grpcio", "grpc-go", "grpc-c++"]
BEHIND_PROXIES_QUICK = [OURS, "grpcio"]


@dataclass(frozen=True)
class Route:
    client: str
    proxy: str
    server: str

    def __str__(self) -> str:
        return " → ".join(word for word in (self.client, self.proxy, self.server) if word)


def parse(text: str) -> Route:
    words = text.split("/")
    return Route(words[0], "", words[1]) if len(words) == 2 else Route(*words)


def routes(peers: list[str], proxies: list[str], quick: bool) -> list[Route]:
    def both_ways(names: list[str], proxy: str) -> list[Route]:
        return [
            route
            for name in names
            if name in peers
            for route in dict.fromkeys([Route(name, proxy, OURS), Route(OURS, proxy, name)])
        ]

    behind = BEHIND_PROXIES_QUICK if quick else BEHIND_PROXIES
    return both_ways(peers, "") + [route for proxy in proxies for route in both_ways(behind, proxy)]


@dataclass(frozen=True)
class Limits:
    """`run` in seconds for all cases of one route; `concurrent`: calls of concurrent_large_unary at most."""

    run: float
    concurrent: int


QUICK = Limits(run=40, concurrent=100)
FULL = Limits(run=180, concurrent=1000)


class Matrix:
    def __init__(
        self, peers: dict[str, Peer], proxies: dict[str, tuple[type[Proxy], str]], limits: Limits, cases: list[str]
    ) -> None:
        """`proxies`: by name, with their programs. `cases`: only these, if there are any."""
        self.peers, self.proxies, self.limits, self.cases = peers, proxies, limits, cases

    def run(self, routes: list[Route], jobs: int, report: Callable[[Route, list[Outcome]], None]) -> list[Outcome]:
        found: list[Outcome] = []
        with ThreadPoolExecutor(jobs) as pool:
            for route, outcomes in zip(routes, pool.map(self._run, routes)):
                report(route, outcomes)
                found += outcomes
        return found

    def again(self, outcomes: list[Outcome]) -> None:
        """Runs what has failed once more, alone; what passes then keeps the first try's text."""
        failed: dict[Route, list[Outcome]] = {}
        for outcome in outcomes:
            if outcome.verdict is Verdict.FAIL:
                failed.setdefault(Route(outcome.client, outcome.proxy, outcome.server), []).append(outcome)
        for route, found in failed.items():
            second = {outcome.case: outcome for outcome in self._run(route, [outcome.case for outcome in found])}
            for outcome in found:
                if second[outcome.case].verdict is not Verdict.FAIL:
                    outcome.verdict = second[outcome.case].verdict
                    print(f"{route}: {outcome.case} passed the second time; the first time: {outcome.text}", flush=True)

    def _run(self, route: Route, only: list[str] | None = None) -> list[Outcome]:
        client, server = self.peers[route.client], self.peers[route.server]
        cases = only or [case for case in client.cases if not self.cases or case in self.cases]
        concurrent = min(self.limits.concurrent, client.concurrent, server.concurrent)
        with tempfile.TemporaryDirectory(prefix="volery-peers-") as name, contextlib.ExitStack() as stack:
            folder = pathlib.Path(name)
            try:
                port = stack.enter_context(server.start_server(folder)).listening_port()
                if route.proxy:
                    kind, program = self.proxies[route.proxy]
                    port = stack.enter_context(kind(program, folder, port)).port
            except NotStarted as error:
                words = (route.client, route.proxy, route.server)
                return [Outcome(*words, case, Verdict.FAIL, str(error)) for case in cases]
            return client.run_client((route.proxy, route.server), port, concurrent, cases, folder, self.limits.run)
