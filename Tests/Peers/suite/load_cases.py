"""The load cases."""

import contextlib
import pathlib
import tempfile
import time

from .load import Call, Calls, Check, Load, LoadResult, case
from .proxy import Proxy

UNAVAILABLE = 14
# After the proxy is back: the client's first pause (gRPC's backoff: 1 s, jitter 0.2), look-up and connection.
RECOVERY = 2.0
AWAY = 0.5


def none_failed(result: LoadResult, calls: Calls) -> None:
    result.checks.append(Check("failed calls", f"{len(calls.failed)} of {len(calls.all):,}", "0", not calls.failed))


def median_within(result: LoadResult, ours: Calls, theirs: Calls, factor: float) -> None:
    bar = factor * theirs.median
    text = f"{ours.median:.2f} ms (p99 {ours.percentile(99):.2f})"
    result.checks.append(Check("p50", text, f"≤ {bar:.2f} ms, {factor} × grpcio's", ours.median <= bar, timed=True))
    result.notes.append(f"grpcio's client: {theirs}")


def ended_by_count(load: Load, result: LoadResult, proxy: str, calls: int, rate: float) -> None:
    """A connection is useful and ends by GOAWAY NO_ERROR after so many calls, again and again."""
    seconds = 3 if load.quick else 10
    theirs = load.run("grpcio", proxy, rate, seconds, calls) if not load.quick else None
    ours = load.run("volery", proxy, rate, seconds, calls)
    none_failed(result, ours)
    if theirs:
        median_within(result, ours, theirs, 1.5)


@case("nginx-requests-50", "nginx ends a connection after 50 calls; 300 calls/s", quick=True)
def nginx_50(load: Load, result: LoadResult) -> None:
    ended_by_count(load, result, "nginx", 50, 300)


@case("nginx-requests-100", "nginx ends a connection after 100 calls; 300 calls/s")
def nginx_100(load: Load, result: LoadResult) -> None:
    ended_by_count(load, result, "nginx", 100, 300)


@case("nginx-requests-1000", "nginx ends a connection after 1,000 calls; 300 calls/s")
def nginx_1000(load: Load, result: LoadResult) -> None:
    ended_by_count(load, result, "nginx", 1000, 300)


@case("nginx-requests-1000-fast", "nginx ends a connection after 1,000 calls; 2,500 calls/s")
def nginx_1000_fast(load: Load, result: LoadResult) -> None:
    ended_by_count(load, result, "nginx", 1000, 2500)


@case("envoy-requests-50", "Envoy ends a connection after 50 calls; 300 calls/s")
def envoy_50(load: Load, result: LoadResult) -> None:
    ended_by_count(load, result, "envoy", 50, 300)


def reloaded(load: Load, result: LoadResult, proxy: str) -> None:
    """The proxy is replaced by a new one in the middle: the old one sends GOAWAY and ends what it has."""
    theirs = load.run("grpcio", proxy, 300, 6, meanwhile=lambda running: running.reload())
    ours = load.run("volery", proxy, 300, 6, meanwhile=lambda running: running.reload())
    none_failed(result, ours)
    median_within(result, ours, theirs, 1.5)


def restarted(load: Load, result: LoadResult, proxy: str) -> None:
    """The proxy is killed in the middle and comes back half a second later."""

    def calls_of(client: str) -> tuple[Calls, float]:
        back = 0.0

        def restart(running: Proxy) -> None:
            nonlocal back
            running.kill()
            time.sleep(AWAY)
            running.start()
            back = time.time()

        return load.run(client, proxy, 300, 6, meanwhile=restart), back

    theirs, their_back = calls_of("grpcio")
    ours, back = calls_of("volery")
    wrong = [call for call in ours.failed if call.code != UNAVAILABLE]
    result.checks.append(Check("failed otherwise than UNAVAILABLE", str(len(wrong)), "0", not wrong))
    last = max((call.ended for call in ours.failed), default=back) - back
    result.checks.append(
        Check("last failure after the return", f"{last:.2f} s", f"≤ {RECOVERY} s", last <= RECOVERY, timed=True)
    )
    tail = [call for call in ours.all if call.due > back + RECOVERY]
    result.checks.append(Check("calls after that", f"{len(tail):,}, all OK", "some, all OK", _all_ok(tail)))
    their_last = max((call.ended for call in theirs.failed), default=their_back) - their_back
    result.notes.append(f"ours: {ours}; grpcio's client: {theirs}, the last one {their_last:.2f} s after the return")


def _all_ok(calls: list[Call]) -> bool:
    return bool(calls) and all(call.code == 0 for call in calls)


@case("nginx-reload", "nginx is reloaded; 300 calls/s")
def nginx_reload(load: Load, result: LoadResult) -> None:
    reloaded(load, result, "nginx")


@case("haproxy-reload", "HAProxy is reloaded; 300 calls/s")
def haproxy_reload(load: Load, result: LoadResult) -> None:
    reloaded(load, result, "haproxy")


@case("envoy-reload", "Envoy is replaced and drains; 300 calls/s")
def envoy_reload(load: Load, result: LoadResult) -> None:
    reloaded(load, result, "envoy")


@case("nginx-restart", "nginx is killed and comes back; 300 calls/s")
def nginx_restart(load: Load, result: LoadResult) -> None:
    restarted(load, result, "nginx")


@case("haproxy-restart", "HAProxy is killed and comes back; 300 calls/s")
def haproxy_restart(load: Load, result: LoadResult) -> None:
    restarted(load, result, "haproxy")


@case("envoy-restart", "Envoy is killed and comes back; 300 calls/s")
def envoy_restart(load: Load, result: LoadResult) -> None:
    restarted(load, result, "envoy")


@case("haproxy-concurrent", "1,000 calls of large_unary at once through HAProxy, our client and server, 12 times")
def haproxy_concurrent(load: Load, result: LoadResult) -> None:
    """It ends at the first failure, which takes a minute."""
    kind, program = load.proxies["haproxy"]
    passed, text = 0, ""
    for _ in range(12):
        with tempfile.TemporaryDirectory(prefix="volery-load-") as name, contextlib.ExitStack() as stack:
            folder = pathlib.Path(name)
            backend = stack.enter_context(load.ours.start_server(folder)).listening_port()
            proxy = stack.enter_context(kind(program, folder, backend))
            route, cases = (proxy.name, load.ours.name), ["concurrent_large_unary"]
            outcome = load.ours.run_client(route, proxy.port, 1000, cases, folder, 90)[0]
        if outcome.verdict != "pass":
            text = f"; then {outcome.text[:300]}"
            break
        passed += 1
    result.checks.append(Check("passed", f"{passed}{text}", "12 of 12", passed == 12))
