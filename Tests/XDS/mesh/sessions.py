"""Calls that belong together, by a cookie that says which server they are on."""

from typing import Any

from . import resources
from .case import Outcome, case
from .client import Client
from .lab import Lab

NAMES = ("one", "two", "three")
STATES = {"override_host_status": {"statuses": ["UNKNOWN", "HEALTHY", "DRAINING"]}}


def _cluster(name: str) -> resources.Resource:
    plain = resources.cluster(name)
    return plain | {"common_lb_config": plain["common_lb_config"] | STATES}


def _group(lab: Lab, draining: str = "", without: str = "") -> resources.Resource:
    those = []
    for name in NAMES:
        extra: dict[str, Any] = {"health_status": "DRAINING"} if name == draining else {}
        if name != without:
            those.append(resources.endpoint(lab.backend(name).port, **extra))
    return resources.endpoints("a", resources.locality("z", those))


@case(
    "a session by cookie, with unary calls and streams: its server drains, then it is gone",
    "A55",
    "the session is on one server, also while that drains, and on one other when it is gone; calls without a cookie are spread",
    quick=True,
)
def sessions(lab: Lab) -> dict[str, Outcome]:
    lab.set("listener", *resources.listeners(lab.listener, filters=[resources.sessions(ttl="60s")]))
    lab.set("endpoints", _group(lab))
    lab.set("cluster", _cluster("a"))
    lab.routes(resources.to("a"))
    lab.start()
    lab.each(lambda client: Outcome("", Lab.until(lambda: len(client.calls(30).answers) == len(NAMES))))
    homes: dict[str, str] = {}

    def begins(client: Client) -> Outcome:
        home = client.calls(20, jar="s").only()
        homes[client.name] = home
        streams = client.calls(10, jar="s", stream=True).only()
        # Each stream without a cookie begins a session of its own.
        first = client.calls(1, jar="t", stream=True).only()
        other = client.calls(10, jar="t").only()
        failed = client.calls(1, jar="f", metadata={"x-fail": "NOT_FOUND"}).failure
        after = client.calls(10, jar="f").only()
        spread = client.calls(30)
        is_right = home in NAMES and streams == home and first == other and after in NAMES
        is_right = is_right and failed == f"NOT_FOUND: {after} fails" and len(spread.answers) == len(NAMES)
        text = "one server" if is_right else f"{home}; streams {streams}; {first}, then {other}; {failed}, then {after}"
        return Outcome(text, is_right)

    def drains(client: Client) -> Outcome:
        home = homes[client.name]
        emptied = Lab.until(lambda: home not in client.calls(10).answers)
        stays = client.calls(20, jar="s").only()
        is_right = emptied and stays == home
        return Outcome("stays while it drains" if is_right else f"drains: {emptied}, then {stays}", is_right)

    def goes(client: Client) -> Outcome:
        home = homes[client.name]
        moved = Lab.until(lambda: home not in client.calls(1, jar="s").answers)
        then = client.calls(20, jar="s").only()
        is_right = moved and then in NAMES and then != home
        return Outcome("then one other" if is_right else f"gone: {then}", is_right)

    found = lab.each(begins)
    lab.set("endpoints", _group(lab), special={name: [_group(lab, draining=home)] for name, home in homes.items()})
    for step in (drains, goes):
        for name, outcome in lab.each(step).items():
            found[name].text += f"; {outcome.text}"
            found[name].is_right = found[name].is_right and outcome.is_right
        lab.set("endpoints", _group(lab), special={name: [_group(lab, without=home)] for name, home in homes.items()})
    return found


@case(
    "a session over weighted clusters; its cluster leaves the route",
    "A60",
    "the session stays in the cluster that it has begun in, and is in the other one then; calls without a cookie are shared out",
    ("volery", "grpcio"),
    quick=True,
)
def sessions_of_clusters(lab: Lab) -> dict[str, Outcome]:
    lab.set("listener", *resources.listeners(lab.listener, filters=[resources.sessions()]))
    lab.clusters(a=[lab.group("z", "one", "two")], b=[lab.group("z", "three", "four")])
    lab.routes(resources.split(a=50, b=50))
    lab.start()
    lab.each(lambda client: Outcome("", Lab.until(lambda: len(client.calls(40).answers) == 4)))
    homes: dict[str, set[str]] = {}

    def begins(client: Client) -> Outcome:
        those = [client.calls(15, jar=f"s{number}") for number in range(8)]
        homes[client.name] = {found.only() for found in those}
        shared = client.calls(40)
        is_right = all(found.only() in ("one", "two", "three", "four") for found in those) and len(shared.answers) == 4
        return Outcome("each of 8 on one server" if is_right else "; ".join(found.only() for found in those), is_right)

    def leaves(client: Client) -> Outcome:
        moved = Lab.until(lambda: not {"three", "four"} & set(client.calls(10).answers))
        those = [client.calls(15, jar=f"s{number}") for number in range(8)]
        # The first call of a session that was in the other cluster moves it.
        is_right = moved and all(found.only() in ("one", "two") for found in those)
        return Outcome("then all in the cluster that is left" if is_right else "; ".join(found.only() for found in those), is_right)

    found = lab.each(begins)
    lab.routes(resources.split(a=100))
    for name, outcome in lab.each(leaves).items():
        found[name].text += f"; {outcome.text}"
        found[name].is_right = found[name].is_right and outcome.is_right
    return found
