"""Which server gets which share."""

import math

from . import resources
from .case import Outcome, case
from .client import Client, Result
from .lab import Lab

CALLS = 600


def shares(result: Result, wanted: dict[str, float]) -> Outcome:
    """Whether these names (several with + between them) got these shares, within five standard deviations."""
    found = {}
    for names in wanted:
        found[names] = sum(result.answers.get(name, 0) for name in names.split("+")) / result.total
    text = " / ".join(f"{100 * share:.1f} %" for share in found.values())
    if result.failed:
        text += f", {result.failed} failed: {result.failure}"
    close = all(
        abs(found[names] - share) <= max(0.012, 5 * math.sqrt(share * (1 - share) / result.total))
        for names, share in wanted.items()
    )
    return Outcome(text, close and not result.failed)


@case("weighted clusters, 80 to 20", "A28", "80 % / 20 %", quick=True)
def weighted_clusters(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("z", "one", "two")], b=[lab.group("z", "three")])
    lab.routes(resources.split(a=80, b=20))
    lab.start()
    return lab.each(lambda client: shares(client.calls(CALLS), {"one+two": 0.8, "three": 0.2}))


@case("two localities of one priority with the weights 3 and 1, one server each", "A27, A28", "75 % / 25 %")
def localities(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("near", "one", weight=3), lab.group("far", "two", weight=1)])
    lab.routes(resources.to("a"))
    lab.start()
    return lab.each(lambda client: shares(client.calls(CALLS), {"one": 0.75, "two": 0.25}))


@case("servers of one locality with the weights 3 and 1, `ROUND_ROBIN`", "endpoint.proto", "75 % / 25 %")
def endpoint_weights(lab: Lab) -> dict[str, Outcome]:
    those = [
        resources.endpoint(lab.backend("one").port, load_balancing_weight=3),
        resources.endpoint(lab.backend("two").port, load_balancing_weight=1),
    ]
    lab.clusters(a=[resources.locality("z", those)])
    lab.routes(resources.to("a"))
    lab.start()
    return lab.each(lambda client: shares(client.calls(CALLS), {"one": 0.75, "two": 0.25}))


@case("a server that the control plane calls `UNHEALTHY`, one `DRAINING`", "A27", "neither is called", quick=True)
def unhealthy(lab: Lab) -> dict[str, Outcome]:
    those = [
        resources.endpoint(lab.backend("one").port),
        resources.endpoint(lab.backend("two").port, health_status="UNHEALTHY"),
        resources.endpoint(lab.backend("three").port, health_status="DRAINING"),
    ]
    lab.clusters(a=[resources.locality("z", those)])
    lab.routes(resources.to("a"))
    lab.start()

    def observe(client: Client) -> Outcome:
        only = client.calls(60).only()
        return Outcome(only, only == "one")

    return lab.each(observe)


@case("drops: 30 % of the calls", "A27", "30 % fail with UNAVAILABLE")
def drops(lab: Lab) -> dict[str, Outcome]:
    overload = {"category": "load", "drop_percentage": {"numerator": 30, "denominator": "HUNDRED"}}
    lab.set("endpoints", resources.endpoints("a", lab.group("z", "one"), drop_overloads=[overload]))
    lab.set("cluster", resources.cluster("a"))
    lab.routes(resources.to("a"))
    lab.start()

    def observe(client: Client) -> Outcome:
        result = client.calls(CALLS)
        share = result.failed / result.total
        text = f"{100 * share:.1f} % fail: {result.failure or '-'}"
        return Outcome(text, abs(share - 0.3) < 0.1 and result.failure.startswith("UNAVAILABLE"))

    return lab.each(observe)


@case("circuit breaking: 10 calls at once where 5 are allowed", "A32", "5 succeed, 5 fail with UNAVAILABLE")
def circuit_breaking(lab: Lab) -> dict[str, Outcome]:
    limits = {"thresholds": [{"priority": "DEFAULT", "max_requests": 5}]}
    lab.set("endpoints", resources.endpoints("a", lab.group("z", "one")))
    lab.set("cluster", resources.cluster("a", circuit_breakers=limits))
    lab.routes(resources.to("a"))
    lab.start()

    def observe(client: Client) -> Outcome:
        result = client.calls(10, parallel=10, metadata={"x-wait": "2"}, timeout=10)
        text = f"{result.total - result.failed} succeed, {result.failed} fail: {result.failure or '-'}"
        return Outcome(text, result.failed == 5 and result.failure.startswith("UNAVAILABLE"))

    return lab.each(observe)


def _chosen(client: Client, header: str, values: list[str]) -> tuple[list[str], bool]:
    """The server of each value, and whether that is always the same one."""
    servers, is_steady = [], True
    for value in values:
        answers = client.calls(3, metadata={header: value}).answers
        servers.append(max(answers, key=lambda name: answers[name], default="-"))
        is_steady = is_steady and len(answers) == 1
    return servers, is_steady


@case(
    "`RING_HASH` by a header, 30 keys over five servers",
    "A42",
    "a key stays on its server; every implementation means the same server by it",
    quick=True,
)
def ring_hash(lab: Lab) -> dict[str, Outcome]:
    lab.set("endpoints", resources.endpoints("a", lab.group("z", "one", "two", "three", "four", "five")))
    ring = {"minimum_ring_size": 1024, "maximum_ring_size": 4096}
    lab.set("cluster", resources.cluster("a", lb_policy="RING_HASH", ring_hash_lb_config=ring))
    lab.routes(resources.to("a", hash_policy=[{"header": {"header_name": "user"}}]))
    lab.start()
    servers: dict[str, list[str]] = {}
    values = [f"user-{number}" for number in range(30)]

    def observe(client: Client) -> Outcome:
        servers[client.name], is_steady = _chosen(client, "user", values)
        used = len(set(servers[client.name]))
        return Outcome(f"{'steady' if is_steady else 'it changes'}, {used} servers used", is_steady and used >= 4)

    found = lab.each(observe)
    for name, outcome in found.items():
        for other in ("grpcio", "envoy"):
            if other != name and other in servers and name in servers:
                same = sum(one == two for one, two in zip(servers[name], servers[other], strict=True))
                outcome.text += f"; {same} of 30 as {other}"
    return found


@case("`LEAST_REQUEST`, one server slow", "A48", "it gets less than its half")
def least_request(lab: Lab) -> dict[str, Outcome]:
    lab.set("endpoints", resources.endpoints("a", lab.group("z", "one", "two")))
    lab.set("cluster", resources.cluster("a", lb_policy="LEAST_REQUEST"))
    lab.routes(resources.to("a"))
    lab.start()
    lab.backend("two").pause = 0.2

    def observe(client: Client) -> Outcome:
        result = client.calls(160, parallel=8)
        share = result.answers.get("two", 0) / result.total
        return Outcome(f"{100 * share:.1f} %", share < 0.4 and not result.failed)

    return lab.each(observe)


@case(
    "a policy by `load_balancing_policy`: one that nobody knows, then `pick_first`",
    "A52",
    "the second one holds: one server is called",
)
def custom_policy(lab: Lab) -> dict[str, Outcome]:
    prefix = f"{resources.TYPES}.load_balancing_policies"
    unknown = {"@type": "type.googleapis.com/xds.type.v3.TypedStruct", "type_url": "type.googleapis.com/example.Nobody", "value": {}}
    policies = [
        {"typed_extension_config": {"name": "unknown", "typed_config": unknown}},
        {"typed_extension_config": {"name": "first", "typed_config": {"@type": f"{prefix}.pick_first.v3.PickFirst"}}},
    ]
    lab.set("endpoints", resources.endpoints("a", lab.group("z", "one", "two", "three")))
    cluster = resources.cluster("a", load_balancing_policy={"policies": policies}, common_lb_config={})
    lab.set("cluster", cluster)
    lab.routes(resources.to("a"))
    lab.start(warm=False)

    def observe(client: Client) -> Outcome:
        result = client.calls(30, wait=True, timeout=5)
        return Outcome(result.only(), len(result.answers) == 1 and not result.failed)

    return lab.each(observe)


@case(
    "outlier detection by failures: one of five servers fails everything",
    "A50",
    "it gets no call once its interval is over",
)
def outlier_detection(lab: Lab) -> dict[str, Outcome]:
    detection = {
        "interval": "1s",
        "base_ejection_time": "60s",
        "max_ejection_percent": 50,
        "enforcing_success_rate": 0,
        "enforcing_consecutive_5xx": 0,
        "failure_percentage_threshold": 50,
        "enforcing_failure_percentage": 100,
        "failure_percentage_minimum_hosts": 3,
        "failure_percentage_request_volume": 10,
    }
    lab.set("endpoints", resources.endpoints("a", lab.group("z", "one", "two", "three", "four", "five")))
    lab.set("cluster", resources.cluster("a", outlier_detection=detection))
    lab.routes(resources.to("a"))
    lab.start()
    lab.backend("five").fails_with = "UNAVAILABLE"

    def observe(client: Client) -> Outcome:
        # Within an interval, ten of each server.
        client.begin(calls=1200, interval=0.005).result()
        result = client.calls(200)
        return Outcome(f"{result.failed} of {result.total} calls on it", result.failed == 0)

    return lab.each(observe)
