"""Resources that make no sense: who refuses them, with which words, and whether the last good ones hold."""

import dataclasses
from typing import Any

from . import resources
from .case import Outcome, case
from .lab import Lab


@dataclasses.dataclass
class Bad:
    """A resource that replaces the good one of its kind. `refuses`: whether a gRPC client has to refuse it, by `source`."""

    kind: str
    title: str
    source: str
    resource: resources.Resource | None = None
    raw: dict[str, str] | None = None
    refuses: bool = True


def _listener(*filters: resources.Resource, manager: dict[str, Any] | None = None) -> resources.Resource:
    same = resources.manager(None, list(filters)) | (manager or {})
    return {"name": resources.API_LISTENER, "api_listener": {"api_listener": same}}


def _cluster(**extra: Any) -> resources.Resource:
    return resources.cluster("a", **extra)


def _one(port: int, **extra: Any) -> resources.Resource:
    return resources.locality("z", [resources.endpoint(port, **extra)])


def _filter(name: str, type_name: str, **extra: Any) -> resources.Resource:
    return {"name": name, "typed_config": {"@type": f"{resources.TYPES}.filters.http.{type_name}"}} | extra


def _no_cookie() -> resources.Resource:
    """A filter that keeps sessions by something else."""
    found = resources.sessions()
    found["typed_config"]["session_state"]["typed_config"] = {"@type": f"{resources.TYPES}.filters.http.buffer.v3.Buffer"}
    return found


def _bad(port: int) -> list[Bad]:
    to = resources.to
    aggregate = resources.aggregate("a")
    twice = {"name": "r", "virtual_hosts": [{"name": n, "domains": ["*"], "routes": [to("a")]} for n in ("x", "y")]}
    wildcard = {"name": "r", "virtual_hosts": [{"name": "x", "domains": ["a.*.b"], "routes": [to("a")]}]}
    no_words = {"retry_on": "unavailable", "num_retries": 0}
    backoff = {"retry_on": "unavailable", "retry_back_off": {"max_interval": "1s"}}
    ring = {"minimum_ring_size": 2048, "maximum_ring_size": 1024}
    murmur = {"hash_function": "MURMUR_HASH_2"}
    two = [resources.endpoint(port), resources.endpoint(port)]
    huge = [resources.locality(zone, [resources.endpoint(port + n)], weight=0xFFFFFFFF) for n, zone in enumerate("xy")]
    unknown = _filter("unknown", "buffer.v3.Buffer")
    text = {"name": "r", "type_url": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "hex": "ffffffff"}
    other = {"name": "r", "type_url": "type.googleapis.com/google.protobuf.Empty", "hex": ""}
    unknown_policy = {"@type": "type.googleapis.com/xds.type.v3.TypedStruct", "type_url": "type.googleapis.com/example.Nobody", "value": {}}
    nobody = {"policies": [{"typed_extension_config": {"name": "unknown", "typed_config": unknown_policy}}]}
    return [
        Bad("listener", "neither RDS nor routes of its own", "A27", _listener(manager={"rds": None})),
        Bad("listener", "a filter that nobody knows", "A39", _listener(unknown)),
        Bad(
            "listener",
            "the same, optional",
            "A39",
            _listener(unknown | {"is_optional": True}),
            refuses=False,
        ),
        Bad("listener", "two filters of one name", "A39", _listener(resources.ROUTER)),
        Bad("listener", "the router is missing", "A39", _listener(manager={"http_filters": []})),
        Bad("listener", "a session's cookie without a name", "A55", _listener(resources.sessions(""))),
        Bad("listener", "a session's cookie with a ttl below 0", "A55", _listener(resources.sessions(ttl="-1s"))),
        Bad("listener", "a session's state that is no cookie", "A55", _listener(_no_cookie())),
        Bad("listener", "no api_listener", "A27", {"name": resources.API_LISTENER, "address": resources.address(1)}),
        Bad("routes", "the weights add up to 0", "A28", resources.routes(resources.split(a=0))),
        Bad("routes", "a route without a match", "A28", resources.routes({"match": {}, "route": {"cluster": "a"}})),
        Bad("routes", "an expression that does not parse", "A28", resources.routes(to("a", {"safe_regex": {"regex": "a(b"}}))),
        Bad("routes", "two virtual hosts with one domain", "route.proto", twice),
        Bad("routes", "a domain with the wildcard in its middle", "A27", wildcard),
        Bad("routes", "num_retries is 0", "A44", resources.routes(to("a", retry_policy=no_words))),
        Bad("routes", "a pause without base_interval", "A44", resources.routes(to("a", retry_policy=backoff))),
        Bad("routes", "an action that is a redirect", "A28", resources.routes({"match": {"prefix": ""}, "redirect": {}}), refuses=False),
        Bad("routes", "bytes that are no message", "xDS protocol", raw=text),
        Bad("routes", "a resource of another type", "xDS protocol", raw=other),
        Bad("cluster", "of the type STATIC", "A27", _cluster(type="STATIC", eds_cluster_config=None)),
        Bad("cluster", "endpoints from a file", "A27", _cluster(eds_cluster_config={"eds_config": {"path": "/x"}})),
        Bad("cluster", "lb_policy MAGLEV", "A27", _cluster(lb_policy="MAGLEV")),
        Bad("cluster", "a ring whose least size is above its largest", "A42", _cluster(lb_policy="RING_HASH", ring_hash_lb_config=ring)),
        Bad("cluster", "a ring with MURMUR_HASH_2", "A42", _cluster(lb_policy="RING_HASH", ring_hash_lb_config=murmur)),
        Bad("cluster", "only policies that nobody knows", "A52", _cluster(load_balancing_policy=nobody, common_lb_config={})),
        Bad("cluster", "max_ejection_percent is 101", "A50", _cluster(outlier_detection={"max_ejection_percent": 101})),
        Bad("cluster", "an interval of ejection below 0", "A50", _cluster(outlier_detection={"interval": "-1s"})),
        Bad("cluster", "an aggregate of nothing", "A37", aggregate),
        Bad("cluster", "choice_count is 1", "A48", _cluster(lb_policy="LEAST_REQUEST", least_request_lb_config={"choice_count": 1})),
        Bad("endpoints", "priority 1 without 0", "A27", resources.endpoints("a", _one(port) | {"priority": 1})),
        Bad("endpoints", "a locality twice in its priority", "A27", resources.endpoints("a", _one(port), _one(port + 1))),
        Bad("endpoints", "an address twice", "A27", resources.endpoints("a", resources.locality("z", two))),
        Bad("endpoints", "a port of 70000", "A27", resources.endpoints("a", _one(70000))),
        Bad("endpoints", "a host name for an address", "A27", resources.endpoints("a", resources.locality("z", [resources.endpoint(port, "x.test")]))),
        Bad("endpoints", "the weights of a priority are above 2^32-1", "A27", resources.endpoints("a", *huge)),
        Bad("endpoints", "a server's weight is 0", "A42, endpoint.proto", resources.endpoints("a", _one(port, load_balancing_weight=0))),
        Bad("endpoints", "a locality without a weight", "A27", resources.endpoints("a", {k: v for k, v in _one(port).items() if k != "load_balancing_weight"}), refuses=False),
    ]


def _good(lab: Lab, kind: str) -> None:
    if kind == "listener":
        lab.set("listener", *resources.listeners(lab.listener))
    if kind == "routes":
        lab.routes(resources.to("a"))
    if kind == "cluster":
        lab.set("cluster", resources.cluster("a"))
    if kind == "endpoints":
        lab.set("endpoints", resources.endpoints("a", lab.group("z", "one")))


@case(
    "resources that make no sense, one after the other",
    "A27 and the gRFC of each field",
    "refused with a reason; calls go on by the last good one",
    quick=True,
)
def refused(lab: Lab) -> dict[str, Outcome]:
    for kind in ("endpoints", "cluster", "routes"):
        _good(lab, kind)
    lab.start()
    bad = _bad(lab.backend("one").port)
    lab.refusals = []
    wrong: dict[str, list[str]] = {name: [] for name in lab.clients}
    for one in bad:
        kept = [resource for resource in resources.listeners(lab.listener)[1:]] if one.kind == "listener" else []
        those = [one.resource] if one.resource else []
        version = lab.set(one.kind, *those, *kept, raw=[one.raw] if one.raw else [])
        row: dict[str, str] = {}
        verdicts = lab.each(lambda client, one=one, version=version: _taken(lab, client.name, one, version))
        for name, outcome in verdicts.items():
            row[name] = outcome.text
            if not outcome.is_right:
                wrong[name].append(one.title)
        if one.refuses:
            calls = lab.each(lambda client: Outcome("", not client.calls(3, timeout=5).failed))
            for name, outcome in calls.items():
                if not outcome.is_right:
                    row[name] += " (calls fail)"
                    wrong[name].append(f"calls fail after: {one.title}")
        lab.refusals.append({"kind": one.kind, "title": one.title, "source": one.source, "refuses": one.refuses, "by": row})
        _good(lab, one.kind)
        lab.each(lambda client: Outcome("", Lab.until(lambda: not client.calls(1, timeout=2).failed, 10)))
    found = {}
    for name in lab.clients:
        right = len(bad) - len(wrong[name])
        found[name] = Outcome("; ".join([f"{right} of {len(bad)} as gRPC's rules say", *wrong[name]]), not wrong[name])
    return found


def _taken(lab: Lab, client: str, bad: Bad, version: int) -> Outcome:
    if bad.kind == "listener" and client == "envoy":
        return Outcome("–", True)
    line = lab.verdict(client, bad.kind, version, 2.0)
    if line is None:
        return Outcome("says nothing", False)
    if line["event"] == "ack":
        return Outcome("accepts it", not bad.refuses)
    return Outcome(line["detail"], bad.refuses)
