"""What happens when something goes: servers, resources, the control plane."""

from . import resources
from .case import Outcome, case
from .client import Client, Running
from .lab import Lab


def _only(client: Client, wanted: str, limit: float = 20) -> Outcome:
    """Whether it is soon that server, for every call."""
    last = ["nothing"]

    def fits() -> bool:
        last[0] = client.calls(10, timeout=3).only()
        return last[0] == wanted

    is_right = Lab.until(fits, limit)
    return Outcome(last[0][:300], is_right)


def _both(first: dict[str, Outcome], second: dict[str, Outcome], words: str) -> dict[str, Outcome]:
    return {
        name: Outcome(f"{first[name].text}{words}{second[name].text}", first[name].is_right and second[name].is_right)
        for name in first
    }


@case(
    "priorities: the only server of the first is gone, without a word from the control plane; then it is back",
    "A56",
    "the second priority, then the first again",
)
def priority_of_lost_server(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("near", "one", priority=0), lab.group("far", "two", priority=1)])
    lab.routes(resources.to("a"))
    lab.start()
    lab.backend("one").stop()
    second = lab.each(lambda client: _only(client, "two"))
    lab.backend("one").start()
    return _both(second, lab.each(lambda client: _only(client, "one", 30)), ", then ")


@case("priorities: all of the first are `UNHEALTHY`, then healthy", "A27, A56", "the second priority, then the first again", quick=True)
def priority_of_unhealthy(lab: Lab) -> dict[str, Outcome]:
    near = lab.group("near", "one", health_status="UNHEALTHY")
    lab.clusters(a=[near, lab.group("far", "two", priority=1)])
    lab.routes(resources.to("a"))
    lab.start()
    second = lab.each(lambda client: _only(client, "two"))
    lab.set("endpoints", resources.endpoints("a", lab.group("near", "one"), lab.group("far", "two", priority=1)))
    return _both(second, lab.each(lambda client: _only(client, "one")), ", then ")


def _aggregate(lab: Lab) -> None:
    members = ("first", "second")
    special = {"envoy": [resources.aggregate("both", *members, policy="CLUSTER_PROVIDED")]}
    those = [resources.aggregate("both", *members), *map(resources.cluster, members)]
    lab.set("cluster", *those, special=special)
    lab.routes(resources.to("both"))
    lab.start()


@case("an aggregate of two clusters: the first has no healthy server", "A37", "the second cluster, then the first again")
def aggregate(lab: Lab) -> dict[str, Outcome]:
    away, there = lab.group("z", "one", health_status="UNHEALTHY"), lab.group("z", "one")
    other = resources.endpoints("second", lab.group("z", "two"))
    lab.set("endpoints", resources.endpoints("first", away), other)
    _aggregate(lab)
    second = lab.each(lambda client: _only(client, "two"))
    lab.set("endpoints", resources.endpoints("first", there), other)
    return _both(second, lab.each(lambda client: _only(client, "one")), ", then ")


@case(
    "an aggregate of two clusters: the only server of the first is gone without a word",
    "A37",
    "the second cluster",
)
def aggregate_of_lost_server(lab: Lab) -> dict[str, Outcome]:
    lab.set(
        "endpoints",
        resources.endpoints("first", lab.group("z", "one")),
        resources.endpoints("second", lab.group("z", "two")),
    )
    _aggregate(lab)
    lab.backend("one").stop()
    return lab.each(lambda client: _only(client, "two"))


def _fails(client: Client) -> Outcome:
    """Whether calls fail soon, and how."""
    last = [""]

    def fits() -> bool:
        last[0] = client.calls(1, timeout=3).failure
        return bool(last[0])

    is_right = Lab.until(fits, 8)
    return Outcome(f"fail: {last[0]}" if is_right else "go on", is_right)


def _ready(lab: Lab) -> None:
    lab.clusters(a=[lab.group("z", "one")])
    lab.routes(resources.to("a"))
    lab.start()


@case("the list of endpoints becomes empty, then full again", "A27", "calls fail with UNAVAILABLE, then succeed", quick=True)
def empty_endpoints(lab: Lab) -> dict[str, Outcome]:
    _ready(lab)
    lab.set("endpoints", resources.endpoints("a"))
    gone = lab.each(_fails)
    lab.set("endpoints", resources.endpoints("a", lab.group("z", "one")))
    return _both(gone, lab.each(lambda client: _only(client, "one")), "; then ")


@case("a cluster that is in use is left out of an answer, then there again", "A53, xDS protocol", "calls fail with UNAVAILABLE, then succeed", quick=True)
def cluster_gone(lab: Lab) -> dict[str, Outcome]:
    _ready(lab)
    lab.set("cluster")
    gone = lab.each(_fails)
    lab.set("cluster", resources.cluster("a"))
    return _both(gone, lab.each(lambda client: _only(client, "one")), "; then ")


@case("the listener is left out of an answer, then there again", "A53, xDS protocol", "calls fail with UNAVAILABLE, then succeed")
def listener_gone(lab: Lab) -> dict[str, Outcome]:
    _ready(lab)
    lab.set("listener")
    gone = lab.each(_fails)
    lab.set("listener", *resources.listeners(lab.listener))
    return _both(gone, lab.each(lambda client: _only(client, "one")), "; then ")


@case("the routes and the endpoints are left out of an answer", "xDS protocol", "nothing changes: only a listener or a cluster goes so")
def routes_left_out(lab: Lab) -> dict[str, Outcome]:
    _ready(lab)
    lab.set("routes")
    lab.set("endpoints")

    def observe(client: Client) -> Outcome:
        result = client.calls(20, interval=0.1, timeout=3)
        return Outcome(f"{result.failed} of 20 fail" + f": {result.failure}" * bool(result.failed), not result.failed)

    return lab.each(observe)


@case("a route names a cluster that has never been", "A57, A27", "within 20 s its calls fail with UNAVAILABLE; those of other routes go on")
def cluster_never(lab: Lab) -> dict[str, Outcome]:
    lab.clusters(a=[lab.group("z", "one")])
    lab.routes(resources.to("missing", {"prefix": "/gone."}), resources.to("a"))
    lab.start(warm=False)

    def observe(client: Client) -> Outcome:
        good = client.calls(1, wait=True, timeout=25)
        bad = client.calls(1, method="/gone.Server/Who", timeout=5)
        text = f"{good.only()} (after {good.slowest:.0f} s); {bad.failure or 'succeeds'}"
        return Outcome(text, not good.failed and bad.failure.startswith("UNAVAILABLE"))

    return lab.each(observe)


@case(
    "the control plane is killed under load, comes back and has moved all endpoints",
    "A27, A57",
    "no call fails, and the new server is called",
    quick=True,
)
def control_plane_restarts(lab: Lab) -> dict[str, Outcome]:
    _ready(lab)
    loads: dict[str, Running] = {name: client.begin(interval=0.01) for name, client in lab.clients.items()}
    lab.control.kill()
    without = lab.each(lambda client: Outcome("", not client.calls(100, interval=0.01).failed))
    lab.control = lab.new_control()
    lab.set("listener", *resources.listeners(lab.listener))
    lab.clusters(a=[lab.group("z", "two")])
    lab.routes(resources.to("a"))
    lab.listen()
    moved = lab.each(lambda client: _only(client, "two", 60))
    found = {}
    for name, load in loads.items():
        result = load.stop()
        text = f"{result.failed} of {result.total} calls failed" + f": {result.failure}" * bool(result.failed)
        found[name] = Outcome(f"{text}; then {moved[name].text}", without[name].is_right and moved[name].is_right and not result.failed)
    return found


@case("the control plane is there from the start, but takes 1 s for each answer", "A57", "calls that wait succeed")
def slow_control_plane(lab: Lab) -> dict[str, Outcome]:
    lab.control.tell(delay=1.0)
    lab.clusters(a=[lab.group("z", "one")])
    lab.routes(resources.to("a"))
    lab.start(warm=False)

    def observe(client: Client) -> Outcome:
        result = client.calls(1, wait=True, timeout=25)
        return Outcome(f"{result.only()} after {result.slowest:.0f} s", result.only() == "one")

    return lab.each(observe)


@case("the control plane accepts the stream and never answers", "A57", "calls fail with UNAVAILABLE within 20 s, and say what is missing", clients=("volery", "grpcio"))
def mute_control_plane(lab: Lab) -> dict[str, Outcome]:
    lab.control.tell(mute=True)
    lab.start(warm=False)

    def observe(client: Client) -> Outcome:
        result = client.calls(1, timeout=25)
        return Outcome(f"{result.failure} after {result.slowest:.0f} s", result.failure.startswith("UNAVAILABLE"))

    return lab.each(observe)
