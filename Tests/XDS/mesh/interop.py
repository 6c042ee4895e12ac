"""The cases of gRPC's own xDS tests (grpc/grpc doc/xds-test-descriptions.md), with `volery-interop xds-client` as the client
under test, the control plane of this laboratory in the place of Traffic Director, and its servers."""

import pathlib
import re
import subprocess
import time
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from . import resources
from .case import Outcome, case
from .lab import Lab

SOURCE = "xds-test-descriptions.md"
PROTOS = pathlib.Path(__file__).resolve().parents[3] / "Protos"
OURS = ("volery",)
EMPTY, UNARY = "/grpc.testing.TestService/EmptyCall", "/grpc.testing.TestService/UnaryCall"


def _messages(folder: pathlib.Path) -> dict[str, Any]:
    file = folder / "stats.binpb"
    names = ["grpc/testing/load_balancer_stats.proto"]
    subprocess.run(
        ["protoc", "-I", str(PROTOS), "--include_imports", f"--descriptor_set_out={file}", *names], check=True
    )
    found = descriptor_pb2.FileDescriptorSet.FromString(file.read_bytes())
    return message_factory.GetMessages(found.file, pool=descriptor_pool.DescriptorPool())


class TestClient:
    """`volery-interop xds-client`, and what it tells of its calls."""

    def __init__(self, lab: Lab, *flags: str, qps: int = 100) -> None:
        program = pathlib.Path(lab.options.interop or pathlib.Path(lab.options.program).parent / "volery-interop")
        self._messages = _messages(lab.folder)
        self._log = lab.folder / "xds-client.log"
        words = [str(program), "xds-client", "--server=xds:///orders", "--stats_port=0", f"--qps={qps}", *flags]
        with open(self._log, "wb") as file:
            self.process = subprocess.Popen(
                words,
                stdout=file,
                stderr=file,
                env={"GRPC_XDS_BOOTSTRAP_CONFIG": resources.bootstrap("volery", lab.port)},
            )
        if not Lab.until(lambda: b"LISTENING" in self._log.read_bytes()):
            raise RuntimeError(f"no test client: {self._log.read_text()[-500:]}")
        port = re.search(r"LISTENING .*:(\d+)", self._log.read_text())[1]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")

    def _ask(self, service: str, method: str, request: str, response: str, **fields: Any) -> Any:
        call = self._channel.unary_unary(
            f"/grpc.testing.{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=self._messages[f"grpc.testing.{response}"].FromString,
        )
        return call(self._messages[f"grpc.testing.{request}"](**fields), timeout=60, wait_for_ready=True)

    def stats(self, count: int = 100, limit: int = 30) -> Any:
        return self._ask(
            "LoadBalancerStatsService",
            "GetClientStats",
            "LoadBalancerStatsRequest",
            "LoadBalancerStatsResponse",
            num_rpcs=count,
            timeout_sec=limit,
        )

    def accumulated(self) -> dict[str, tuple[int, dict[int, int]]]:
        """By method: how many were begun, and how many ended with which status."""
        answer = self._ask(
            "LoadBalancerStatsService",
            "GetClientAccumulatedStats",
            "LoadBalancerAccumulatedStatsRequest",
            "LoadBalancerAccumulatedStatsResponse",
        )
        return {name: (one.rpcs_started, dict(one.result)) for name, one in answer.stats_per_method.items()}

    def configure(self, types: list[int], metadata: list[tuple[int, str, str]] = [], limit: int = 0) -> None:  # noqa: B006
        entries = [{"type": kind, "key": key, "value": value} for kind, key, value in metadata]
        self._ask(
            "XdsUpdateClientConfigureService",
            "Configure",
            "ClientConfigureRequest",
            "ClientConfigureResponse",
            types=types,
            metadata=entries,
            timeout_sec=limit,
        )

    def open(self) -> dict[str, int]:
        """By method: the calls that have not ended."""
        return {name: begun - sum(ended.values()) for name, (begun, ended) in self.accumulated().items()}

    def close(self) -> None:
        self._channel.close()
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()


def _goes_to(client: TestClient, names: set[str], limit: float = 40) -> str:
    """Until a block of calls goes to exactly these servers, each of them; what the last block was else."""
    last = ""

    def fits() -> bool:
        nonlocal last
        stats = client.stats(50 if len(names) < 5 else 100)
        last = f"{dict(stats.rpcs_by_peer)}, {stats.num_failures} failed"
        return set(stats.rpcs_by_peer) == names and not stats.num_failures

    return "" if Lab.until(fits, limit) else f"not only {', '.join(sorted(names))}: {last}"


def _methods_go(client: TestClient, wanted: dict[str, str], limit: float = 30) -> str:
    last = ""

    def fits() -> bool:
        nonlocal last
        stats = client.stats(20)
        found = {method: set(peers.rpcs_by_peer) for method, peers in stats.rpcs_by_method.items()}
        last = f"{found}, {stats.num_failures} failed"
        return found == {method: {peer} for method, peer in wanted.items()}

    return "" if Lab.until(fits, limit) else f"not {wanted}: {last}"


def _outcome(client: TestClient, *wrong: str) -> dict[str, Outcome]:
    client.close()
    found = [text for text in wrong if text]
    return {"volery": Outcome("; ".join(found) or "as described", not found)}


def _start(lab: Lab, *flags: str, qps: int = 100) -> TestClient:
    lab.listen()
    return TestClient(lab, *flags, qps=qps)


def _one_group(lab: Lab, count: int) -> set[str]:
    names = [f"server-{number}" for number in range(count)]
    lab.clusters(a=[lab.group("near", *names)])
    lab.routes(resources.to("a"))
    return set(names)


@case("ping_pong", SOURCE, "every server gets calls", OURS)
def ping_pong(lab: Lab) -> dict[str, Outcome]:
    names = _one_group(lab, 4)
    client = _start(lab, "--fail_on_failed_rpcs=true")
    return _outcome(client, _goes_to(client, names))


@case("round_robin", SOURCE, "100 calls are spread evenly over four servers", OURS)
def round_robin(lab: Lab) -> dict[str, Outcome]:
    names = _one_group(lab, 4)
    client = _start(lab, "--fail_on_failed_rpcs=true")
    wrong = _goes_to(client, names)
    shares = dict(client.stats(100).rpcs_by_peer)
    uneven = "" if len(shares) == 4 and all(24 <= count <= 26 for count in shares.values()) else f"{shares}"
    return _outcome(client, wrong, uneven)


@case("backends_restart", SOURCE, "no call succeeds without servers; then it is spread as before", OURS)
def backends_restart(lab: Lab) -> dict[str, Outcome]:
    names = _one_group(lab, 4)
    client = _start(lab)
    first = _goes_to(client, names)
    for name in names:
        lab.backend(name).stop()
    gone = Lab.until(lambda: client.stats(50).num_failures == 50)
    for name in names:
        lab.backend(name).start()
    again = _goes_to(client, names, 60)
    shares = dict(client.stats(100).rpcs_by_peer)
    even = len(shares) == 4 and all(23 <= count <= 27 for count in shares.values())
    return _outcome(client, first, "" if gone else "calls succeed", again, "" if even else f"then {shares}")


def _two_localities(lab: Lab, primary: int) -> tuple[list[str], list[str]]:
    near = [f"near-{number}" for number in range(primary)]
    far = [f"far-{number}" for number in range(2)]
    lab.clusters(a=[lab.group("near", *near), lab.group("far", *far, priority=1)])
    lab.routes(resources.to("a"))
    return near, far


@case("secondary_locality_gets_requests_on_primary_failure", SOURCE, "the second locality while the first is gone", OURS)
def secondary_on_primary_failure(lab: Lab) -> dict[str, Outcome]:
    near, far = _two_localities(lab, 2)
    client = _start(lab)
    first = _goes_to(client, set(near))
    for name in near:
        lab.backend(name).stop()
    second = _goes_to(client, set(far))
    for name in near:
        lab.backend(name).start()
    return _outcome(client, first, second, _goes_to(client, set(near), 60))


@case("secondary_locality_gets_no_requests_on_partial_primary_failure", SOURCE, "the rest of the first locality", OURS)
def no_secondary_on_partial_failure(lab: Lab) -> dict[str, Outcome]:
    near, _ = _two_localities(lab, 2)
    client = _start(lab)
    first = _goes_to(client, set(near))
    lab.backend(near[0]).stop()
    return _outcome(client, first, _goes_to(client, {near[1]}))


@case(
    "gentle_failover, and secondary_locality_gets_requests_on_partial_primary_failure",
    SOURCE,
    "what is left of the first locality and the second one, by the control plane's weights; then the first alone",
    OURS,
)
def gentle_failover(lab: Lab) -> dict[str, Outcome]:
    near, far = _two_localities(lab, 3)
    client = _start(lab)
    first = _goes_to(client, set(near))
    for name in near[1:]:
        lab.backend(name).stop()
    # The control plane sees it by its health checks, and puts both localities in one priority.
    both = [lab.group("near", near[0]), lab.group("far", *far)]
    lab.set("endpoints", resources.endpoints("a", *both))
    second = _goes_to(client, {near[0], *far})
    for name in near[1:]:
        lab.backend(name).start()
    lab.set("endpoints", resources.endpoints("a", lab.group("near", *near), lab.group("far", *far, priority=1)))
    return _outcome(client, first, second, _goes_to(client, set(near), 60))


@case("remove_instance_group", SOURCE, "the other group gets all calls, none fails", OURS)
def remove_instance_group(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("x", "one", "two"), lab.group("y", "three", "four")])
    lab.routes(resources.to("a"))
    client = _start(lab)
    first = _goes_to(client, {"one", "two", "three", "four"})
    lab.set("endpoints", resources.endpoints("a", lab.group("x", "one", "two")))
    second = _goes_to(client, {"one", "two"})
    failed = _failures(client)
    return _outcome(client, first, second, f"{failed} calls failed" * bool(failed))


def _failures(client: TestClient) -> int:
    return sum(count for _, ended in client.accumulated().values() for code, count in ended.items() if code)


@case("change_backend_service", SOURCE, "all calls go to the new servers, none fails", OURS)
def change_backend_service(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("x", "one", "two")])
    lab.routes(resources.to("a"))
    client = _start(lab, "--fail_on_failed_rpcs=true")
    first = _goes_to(client, {"one", "two"})
    lab.clusters(a=[lab.group("x", "one", "two")], b=[lab.group("x", "three", "four")])
    lab.routes(resources.to("b"))
    second = _goes_to(client, {"three", "four"})
    failed = _failures(client)
    return _outcome(client, first, second, f"{failed} calls failed" * bool(failed))


@case("traffic_splitting", SOURCE, "20 % and 80 % of 1,000 calls", OURS)
def traffic_splitting(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("x", "one")])
    lab.routes(resources.to("a"))
    client = _start(lab, qps=400)
    first = _goes_to(client, {"one"})
    lab.clusters(a=[lab.group("x", "one")], b=[lab.group("x", "two")])
    lab.routes(resources.split(a=20, b=80))
    second = _goes_to(client, {"one", "two"})
    shares = dict(client.stats(1000).rpcs_by_peer)
    # Five standard deviations of 1,000 draws.
    wrong = "" if abs(shares.get("one", 0) - 200) < 64 else f"{shares}"
    return _outcome(client, first, second, wrong)


BOTH = "--rpc=EmptyCall,UnaryCall"


def _two_clusters(lab: Lab) -> None:
    lab.clusters(a=[lab.group("x", "one")], b=[lab.group("x", "two")])
    lab.routes(resources.to("a"))


def _matching(lab: Lab, client: TestClient, questions: list[tuple[list[resources.Resource], str, str]]) -> dict[str, Outcome]:
    wrong = [_methods_go(client, {"EmptyCall": "one", "UnaryCall": "one"})]
    for those, empty, unary in questions:
        lab.routes(*those, resources.to("a"))
        wrong.append(_methods_go(client, {"EmptyCall": empty, "UnaryCall": unary}))
    failed = _failures(client)
    return _outcome(client, *wrong, f"{failed} calls failed" * bool(failed))


@case("path_matching", SOURCE, "each method on the server that its route names", OURS)
def path_matching(lab: Lab) -> dict[str, Outcome]:
    _two_clusters(lab)
    client = _start(lab, BOTH, "--fail_on_failed_rpcs=true", qps=50)
    to = resources.to
    unary = {"prefix": "/grpc.testing.TestService/Unary"}
    questions = [
        ([to("b", {"path": EMPTY})], "two", "one"),
        ([to("b", unary)], "one", "two"),
        ([to("a", unary), to("b", {"path": EMPTY})], "two", "one"),
        ([to("b", {"safe_regex": {"regex": "^\\/.*\\/UnaryCall$"}})], "one", "two"),
        ([to("b", {"path": "/gRpC.tEsTinG.tEstseRvice/empTycaLl", "case_sensitive": False})], "two", "one"),
    ]
    return _matching(lab, client, questions)


@case("header_matching", SOURCE, "each method on the server that its route names", OURS)
def header_matching(lab: Lab) -> dict[str, Outcome]:
    _two_clusters(lab)
    entries = "EmptyCall:xds_md:empty_ytpme,UnaryCall:xds_md:unary_yranu,UnaryCall:xds_md_numeric:159"
    client = _start(lab, BOTH, f"--metadata={entries}", "--fail_on_failed_rpcs=true", qps=50)

    def by(**header: Any) -> list[resources.Resource]:
        return [resources.to("b", {"prefix": "", "headers": [header]})]

    questions = [
        (by(name="xds_md", exact_match="empty_ytpme"), "two", "one"),
        (by(name="xds_md", prefix_match="un"), "one", "two"),
        (by(name="xds_md", suffix_match="me"), "two", "one"),
        (by(name="xds_md_numeric", present_match=True), "one", "two"),
        (by(name="xds_md", exact_match="unary_yranu", invert_match=True), "two", "one"),
        (by(name="xds_md_numeric", range_match={"start": 100, "end": 200}), "one", "two"),
        (by(name="xds_md", safe_regex_match={"regex": "^em.*me$"}), "two", "one"),
    ]
    return _matching(lab, client, questions)


@case("circuit_breaking", SOURCE, "60 and 120 calls are open at once, then 90 of the first", OURS)
def open_calls_are_limited(lab: Lab) -> dict[str, Outcome]:
    def limited(name: str, count: int) -> resources.Resource:
        return resources.cluster(name, circuit_breakers={"thresholds": [{"max_requests": count}]})

    for name in ("one", "two"):
        backend = lab.backend(name)
        backend.stop()
        backend.threads = 200
        backend.start()
    lab.set("endpoints", *(resources.endpoints(n, lab.group("x", s)) for n, s in (("a", "one"), ("b", "two"))))
    lab.set("cluster", limited("a", 60), limited("b", 120))
    lab.routes(resources.to("a", {"path": UNARY}), resources.to("b", {"path": EMPTY}))
    flags = "--metadata=EmptyCall:rpc-behavior:keep-open,UnaryCall:rpc-behavior:keep-open"
    client = _start(lab, BOTH, flags, "--rpc_timeout_sec=60")
    last: dict[str, int] = {}

    def stays(wanted: dict[str, int]) -> str:
        def fits() -> bool:
            nonlocal last
            last = client.open()
            return last == wanted

        if not Lab.until(fits, 20):
            return f"{last} are open, not {wanted}"
        time.sleep(1)
        return "" if fits() else f"{last} are open later, not {wanted}"

    first = stays({"UNARY_CALL": 60, "EMPTY_CALL": 120})
    lab.set("cluster", limited("a", 90), limited("b", 120))
    return _outcome(client, first, stays({"UNARY_CALL": 90, "EMPTY_CALL": 120}))


@case("timeout", SOURCE, "calls of 4 s end with DEADLINE_EXCEEDED by a route's 3 s and by their own 2 s; shorter ones succeed", OURS)
def timeout(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("x", "one")])
    lab.routes(
        resources.to("a", {"path": UNARY}, max_stream_duration={"max_stream_duration": "3s"}), resources.to("a")
    )
    backend = lab.backend("one")
    backend.stop()
    backend.threads = 200
    backend.start()
    client = _start(lab, qps=10)
    wrong = []

    def only(words: str, method: str, code: int) -> None:
        # The first calls may be of the settings before.
        time.sleep(5)
        before = client.accumulated().get(method, (0, {}))[1]
        time.sleep(3)
        after = client.accumulated()[method][1]
        found = {one: count - before.get(one, 0) for one, count in after.items() if count > before.get(one, 0)}
        if set(found) != {code}:
            wrong.append(f"{words}: {found}")

    client.configure([1], [(1, "rpc-behavior", "sleep-4")])
    only("UnaryCall of 4 s", "UNARY_CALL", 4)
    client.configure([0], [(0, "rpc-behavior", "sleep-4")], 2)
    only("EmptyCall of 4 s with a deadline of 2 s", "EMPTY_CALL", 4)
    client.configure([1], [(1, "rpc-behavior", "sleep-2")])
    only("UnaryCall of 2 s", "UNARY_CALL", 0)
    client.configure([0], [(0, "rpc-behavior", "sleep-4")])
    only("EmptyCall of 4 s", "EMPTY_CALL", 0)
    return _outcome(client, *wrong)


@case("api_listener", SOURCE, "another listener with other routes takes over, no call fails", OURS)
def api_listener(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("x", "one")], b=[lab.group("x", "two")])
    lab.set("routes", resources.routes(resources.to("a")), resources.routes(resources.to("b")) | {"name": "other"})
    client = _start(lab, "--fail_on_failed_rpcs=true")
    first = _goes_to(client, {"one"})
    manager = resources.manager() | {"rds": {"config_source": resources.THIS, "route_config_name": "other"}}
    lab.set("listener", {"name": resources.API_LISTENER, "api_listener": {"api_listener": manager}})
    second = _goes_to(client, {"two"})
    failed = _failures(client)
    return _outcome(client, first, second, f"{failed} calls failed" * bool(failed))


@case("metadata_filter", SOURCE, "a client gets the routes that are meant for its node", OURS)
def metadata_filter(lab: Lab) -> dict[str, Outcome]:
    _two_clusters(lab)
    client = _start(lab, "--fail_on_failed_rpcs=true")
    first = _goes_to(client, {"one"})
    # Filters of metadata are the control plane's: it looks at the node, and the client sees other routes.
    seen = lab.control.wait(lambda line: line["event"] == "stream")
    special = {"volery": [resources.routes(resources.to("b"))]}
    lab.set("routes", resources.routes(resources.to("a")), special=special)
    second = _goes_to(client, {"two"})
    told = "" if seen.get("metadata") == {"team": "orders"} else f"the node's metadata: {seen.get('metadata')}"
    return _outcome(client, first, second, told)
