"""Calls at a steady rate through a proxy that ends connections, goes and comes back: what a client loses, and how late the
rest is. grpcio's client does the same in the same run."""

import contextlib
import pathlib
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from .peer import Peer
from .process import Process
from .proxy import Proxy

TIMEOUT_MS = 3000


@dataclass(frozen=True)
class Call:
    due: float  # Unix time.
    latency: float  # Milliseconds.
    code: int

    @property
    def ended(self) -> float:
        return self.due + self.latency / 1000


@dataclass
class Calls:
    all: list[Call]

    @property
    def failed(self) -> list[Call]:
        return [call for call in self.all if call.code != 0]

    @property
    def median(self) -> float:
        return self.percentile(50)

    def percentile(self, share: float) -> float:
        latencies = sorted(call.latency for call in self.all)
        return latencies[min(len(latencies) - 1, int(len(latencies) * share / 100))] if latencies else float("inf")

    def __str__(self) -> str:
        codes = ", ".join(f"{count} with code {code}" for code, count in Counter(c.code for c in self.failed).items())
        return (
            f"{len(self.failed)} of {len(self.all):,} failed{f' ({codes})' if codes else ''}, "
            f"p50 {self.median:.2f} ms, p99 {self.percentile(99):.2f} ms"
        )


@dataclass
class Check:
    what: str
    measured: str
    bar: str
    passed: bool
    # Whether it has to do with time, which a busy machine may spoil.
    timed: bool = False


@dataclass
class LoadResult:
    name: str
    title: str
    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return bool(self.checks) and all(check.passed for check in self.checks)


class Load:
    """What a load case works with."""

    def __init__(
        self,
        ours: Peer,
        python: str,
        here: pathlib.Path,
        proxies: dict[str, tuple[type[Proxy], str]],
        quick: bool,
    ) -> None:
        self.ours, self.python, self.here, self.proxies, self.quick = ours, python, here, proxies, quick

    def _command(self, client: str, port: int, rate: float, seconds: float, out: pathlib.Path) -> list[str]:
        target = f"127.0.0.1:{port}"
        if client == "grpcio":
            program = str(self.here / "Python/load_grpcio.py")
            return [self.python, program, target, str(rate), str(seconds), str(TIMEOUT_MS), str(out)]
        flags = {"target": f"dns:///{target}", "rate": rate, "duration": seconds, "timeout_ms": TIMEOUT_MS, "out": out}
        return [
            *self.ours.command,
            "load",
            *(word for key, value in flags.items() for word in (f"--{key}", str(value))),
        ]

    def run(
        self,
        client: str,
        proxy: str,
        rate: float,
        seconds: float,
        calls: int | None = None,
        meanwhile: Callable[[Proxy], None] | None = None,
    ) -> Calls:
        """`client`: volery or grpcio. `calls`: how many a connection may carry. `meanwhile` happens at a third of the time."""
        with tempfile.TemporaryDirectory(prefix="volery-load-") as name, contextlib.ExitStack() as stack:
            folder = pathlib.Path(name)
            backend = stack.enter_context(self.ours.start_server(folder)).listening_port()
            kind, program = self.proxies[proxy]
            running = stack.enter_context(kind(program, folder, backend, calls))
            out = folder / "calls.csv"
            command = self._command(client, running.port, rate, seconds, out)
            process = stack.enter_context(Process(command, folder / "load.log"))
            process.wait_until(lambda: "READY" in process.printed)
            timer = threading.Timer(seconds / 3, meanwhile, [running]) if meanwhile else None
            if timer:
                timer.start()
            code = process.wait(seconds + 30)
            if timer:
                timer.join()
            if code != 0 or not out.exists():
                raise RuntimeError(f"the load of {client} has ended with {code}: {process.printed[-500:]}")
            rows = [line.split(",") for line in out.read_text().splitlines()]
        return Calls([Call(float(row[0]), float(row[1]), int(row[2])) for row in rows])


CASES: dict[str, tuple[str, bool, Callable[[Load, LoadResult], None]]] = {}


def case(
    name: str, title: str, quick: bool = False
) -> Callable[[Callable[[Load, LoadResult], None]], Callable[[Load, LoadResult], None]]:
    """Registers a load case. `quick`: it belongs to the tests."""

    def register(run: Callable[[Load, LoadResult], None]) -> Callable[[Load, LoadResult], None]:
        CASES[name] = (title, quick, run)
        return run

    return register


def run(name: str, load: Load) -> LoadResult:
    """Once more at most where only checks that have to do with time were missed; the note says what was missed first."""
    first = _run(name, load)
    missed = [check for check in first.checks if not check.passed]
    if not missed or not all(check.timed for check in missed):
        return first
    second = _run(name, load)
    words = "; ".join(f"{check.what} {check.measured} (bar {check.bar})" for check in missed)
    second.notes.insert(0, f"the second try; the first missed {words}")
    return second


def _run(name: str, load: Load) -> LoadResult:
    title, _, body = CASES[name]
    result = LoadResult(name, title)
    started = time.monotonic()
    try:
        body(load, result)
    except Exception as error:
        result.checks.append(Check("the case itself", f"{type(error).__name__}: {error}", "runs to its end", False))
    result.notes.append(f"{time.monotonic() - started:.0f} s")
    return result
