"""Which call goes where, for how long, and how often."""

from typing import Any

from . import resources
from .case import Outcome, case
from .client import Client
from .lab import Lab


def _table(lab: Lab, questions: list[tuple[str, dict[str, Any], str]]) -> dict[str, Outcome]:
    """Asks each of the questions; what is answered differently is shown."""

    def observe(client: Client) -> Outcome:
        wrong = []
        for words, command, wanted in questions:
            only = client.calls(6, **command).only()
            if only != wanted:
                wrong.append(f"{words}: {only[:160]}")
        right = len(questions) - len(wrong)
        return Outcome("; ".join([f"{right} of {len(questions)} as wanted", *wrong]), not wrong)

    return lab.each(observe)


@case(
    "routes by path: exact, prefix, regular expression, without case; the first that fits",
    "A28",
    "each call where its route says; one without a route fails",
    quick=True,
)
def paths(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("z", "one")], b=[lab.group("z", "two")], c=[lab.group("z", "three")])
    lab.routes(
        resources.to("a", {"path": "/test.Backend/Who"}),
        resources.to("b", {"prefix": "/test.Backend/"}),
        resources.to("c", {"safe_regex": {"regex": "/other\\.[A-Z][a-z]+/W.*"}}),
        resources.to("a", {"prefix": "/LOUD.", "case_sensitive": False}),
    )
    lab.start()
    questions = [
        ("exact", {}, "one"),
        ("prefix", {"method": "/test.Backend/Else"}, "two"),
        ("expression", {"method": "/other.Server/Who"}, "three"),
        ("without case", {"method": "/loud.Server/Who"}, "one"),
    ]
    found = _table(lab, questions)
    nowhere = lab.each(lambda client: Outcome(client.calls(1, method="/no.Where/Who").failure, True))
    for name, outcome in found.items():
        outcome.text += f"; no route: {nowhere[name].text}"
        outcome.is_right = outcome.is_right and nowhere[name].text.startswith(("UNAVAILABLE", "UNIMPLEMENTED"))
    return found


@case(
    "routes by header: exact, range, present, prefix, suffix, contains, expression, inverted, absent",
    "A28",
    "each call where its route says",
    quick=True,
)
def headers(lab: Lab) -> dict[str, Outcome]:
    names = ["exact", "range", "present", "prefix", "suffix", "contains", "regex", "invert", "rest"]
    lab.clusters(**{name: [lab.group("z", name)] for name in names})

    def by(cluster: str, **header: Any) -> resources.Resource:
        return resources.to(cluster, {"prefix": "", "headers": [header]})

    lab.routes(
        by("exact", name="e", string_match={"exact": "gold"}),
        by("range", name="n", range_match={"start": "10", "end": "20"}),
        by("present", name="p", present_match=True),
        by("prefix", name="pre", string_match={"prefix": "ab"}),
        by("suffix", name="suf", string_match={"suffix": "yz"}),
        by("contains", name="c", string_match={"contains": "mid", "ignore_case": True}),
        by("regex", name="r", string_match={"safe_regex": {"regex": "[0-9]+-x"}}),
        resources.to(
            "invert",
            {
                "prefix": "",
                "headers": [
                    {"name": "i", "present_match": True},
                    {"name": "i", "string_match": {"exact": "no"}, "invert_match": True},
                ],
            },
        ),
        resources.to("rest"),
    )
    lab.start()

    def ask(name: str, value: str, wanted: str) -> tuple[str, dict[str, Any], str]:
        return f"{name}={value}", {"metadata": {name: value}}, wanted

    return _table(
        lab,
        [
            ask("e", "gold", "exact"),
            ask("e", "Gold", "rest"),
            ask("n", "10", "range"),
            ask("n", "20", "rest"),
            ask("n", "x", "rest"),
            ask("p", "", "present"),
            ask("pre", "abc", "prefix"),
            ask("suf", "xyz", "suffix"),
            ask("c", "aMIDz", "contains"),
            ask("r", "12-x", "regex"),
            ask("r", "a12-x", "rest"),
            ask("i", "yes", "invert"),
            ask("i", "no", "rest"),
            ("nothing", {}, "rest"),
        ],
    )


@case("metadata that ends with -bin is not looked at by routes", "A28", "the call goes to the other route")
def binary_headers(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("z", "one")], b=[lab.group("z", "two")])
    lab.routes(
        resources.to("a", {"prefix": "", "headers": [{"name": "x-key", "present_match": True}]}),
        resources.to("b"),
    )
    lab.start()
    return _table(lab, [("x-key", {"metadata": {"x-key": "1"}}, "one"), ("none", {}, "two")])


@case("a route for 30 % of the calls", "A28", "30 % / 70 %")
def fraction(lab: Lab) -> dict[str, Outcome]:
    from .spreading import CALLS, shares

    lab.clusters(a=[lab.group("z", "one")], b=[lab.group("z", "two")])
    part = {"default_value": {"numerator": 30, "denominator": "HUNDRED"}}
    lab.routes(resources.to("a", {"prefix": "", "runtime_fraction": part}), resources.to("b"))
    lab.start()
    return lab.each(lambda client: shares(client.calls(CALLS), {"one": 0.3, "two": 0.7}))


def _limited(lab: Lab, command: dict[str, Any], low: float, high: float) -> dict[str, Outcome]:
    def observe(client: Client) -> Outcome:
        result = client.calls(1, metadata={"x-wait": "6"}, **command)
        text = f"{result.failure or 'succeeds'} after {result.slowest:.1f} s"
        return Outcome(text, result.failure.startswith("DEADLINE_EXCEEDED") and low <= result.slowest <= high)

    return lab.each(observe)


@case("`max_stream_duration` of the route: 0.5 s, the call's own deadline is later", "A31", "DEADLINE_EXCEEDED after 0.5 s")
def route_timeout(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("z", "one")])
    lab.routes(resources.to("a", max_stream_duration={"max_stream_duration": "0.5s"}))
    lab.start()
    return _limited(lab, {"timeout": 10}, 0.4, 2.5)


@case("`grpc_timeout_header_max` of the route: 0.5 s beside a deadline of 10 s", "A31", "DEADLINE_EXCEEDED after 0.5 s")
def header_timeout(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("z", "one")])
    lab.routes(resources.to("a", max_stream_duration={"grpc_timeout_header_max": "0.5s"}))
    lab.start()
    return _limited(lab, {"timeout": 10}, 0.4, 2.5)


@case(
    "`max_stream_duration` of the listener: 0.5 s; a route with 3 s of its own",
    "A31",
    "0.5 s by the listener, 3 s where the route says so",
)
def listener_timeout(lab: Lab) -> dict[str, Outcome]:
    limit = {"common_http_protocol_options": {"max_stream_duration": "0.5s"}}
    lab.set("listener", *resources.listeners(lab.listener, limit))
    lab.clusters(a=[lab.group("z", "one")])
    own = {"max_stream_duration": {"max_stream_duration": "3s"}}
    lab.routes(resources.to("a", {"path": "/test.Backend/Long"}, **own), resources.to("a"))
    lab.start()
    short = _limited(lab, {"timeout": 10}, 0.4, 2.5)
    long = _limited(lab, {"timeout": 10, "method": "/test.Backend/Long"}, 2.6, 5.5)
    return {
        name: Outcome(f"{short[name].text}; {long[name].text}", short[name].is_right and long[name].is_right)
        for name in short
    }


@case("no limit at all: `timeout` of the route is not gRPC's", "A31", "a call of 4 s succeeds")
def envoy_timeout(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("z", "one")])
    lab.routes(resources.to("a", timeout="0.5s"))
    lab.start()

    def observe(client: Client) -> Outcome:
        result = client.calls(1, metadata={"x-wait": "2"}, timeout=10)
        return Outcome(f"{result.failure or 'succeeds'} after {result.slowest:.1f} s", not result.failed)

    return lab.each(observe)


def _retry(lab: Lab, code: str, first: int) -> dict[str, Outcome]:
    def observe(client: Client) -> Outcome:
        result = client.calls(10, metadata={"x-fail": code, "x-first": str(first)}, vary="x-key", timeout=10)
        text = f"{result.total - result.failed} of 10 succeed"
        return Outcome(text + (f": {result.failure}" if result.failed else ""), not result.failed)

    return lab.each(observe)


RETRY = {"retry_on": "unavailable", "num_retries": 2, "retry_back_off": {"base_interval": "0.01s"}}


@case("a route with two retries of UNAVAILABLE, a server that fails the first two attempts", "A44", "every call succeeds", quick=True)
def retries(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("z", "one")])
    lab.routes(resources.to("a", retry_policy=RETRY))
    lab.start()
    return _retry(lab, "UNAVAILABLE", 2)


@case("the virtual host's retries hold where the route has none", "A44", "every call succeeds")
def host_retries(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("z", "one")])
    lab.routes(resources.to("a"), retry_policy=RETRY)
    lab.start()
    return _retry(lab, "UNAVAILABLE", 2)


@case("three failures with two retries, and another code", "A44", "no call succeeds, none is retried for the other code")
def spent_retries(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("z", "one")])
    lab.routes(resources.to("a", retry_policy=RETRY))
    lab.start()

    def observe(client: Client) -> Outcome:
        often = client.calls(10, metadata={"x-fail": "UNAVAILABLE", "x-first": "3"}, vary="x-key")
        other = client.calls(10, metadata={"x-fail": "ABORTED", "x-first": "1"}, vary="x-key")
        text = f"{often.failed} and {other.failed} of 10 fail: {often.failure}, {other.failure}"
        return Outcome(text, often.failed == 10 and other.failed == 10)

    return lab.each(observe)
