"""A13: the pods of a Service by its EndpointSlices, told by a stand-in of the API server."""

import json
import pathlib
import subprocess
import time
import urllib.parse
import urllib.request

from .client import between, first_call, last_call, shares
from .pods import name_of
from .scenario import case

SERVER = pathlib.Path(__file__).resolve().parents[2] / "KubernetesTests/api_server.py"


class API:
    """The stand-in, and how to tell it what happens. Every command returns when it was given: before anybody heard of it."""

    def __init__(self, lab):
        folder = pathlib.Path(lab.folder) / "api"
        folder.mkdir()
        self.token = folder / "token"
        self.token.write_text("a-token")
        self._process = subprocess.Popen([lab.options.python, SERVER, folder], stdout=subprocess.PIPE, text=True)
        port, self._control = self._process.stdout.readline().split()
        self.url = f"http://127.0.0.1:{port}"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def _ask(self, command, query):
        url = f"http://127.0.0.1:{self._control}/{command}?{urllib.parse.urlencode(query)}"
        with self._opener.open(url, timeout=20) as answer:
            return json.load(answer)

    def tell(self, command, **query):
        now = time.monotonic()
        self._ask(command, query)
        return now

    def requests(self, verb):
        return [request for request in self._ask("requests", {}) if request["verb"] == verb]


class Slice:
    """One EndpointSlice of a Service."""

    def __init__(self, api, name, service, addresses, first=0):
        self._api = api
        self.addresses = addresses
        self._query = {"name": name, "service": service, "pod": service, "first": first, "port": 50051}
        self.put()

    def put(self, not_ready=(), command="slice"):
        return self._api.tell(command, addresses="+".join(self.addresses), not_ready="+".join(not_ready), **self._query)


def names(addresses):
    return [name_of(address) for address in addresses]


@case("A13", "EndpointSlices: a pod that is not ready, and is again", part="ready", limit=90)
def a13_ready(lab):
    trials = 5 if lab.quick else 20
    api = API(lab)
    pods = lab.pod_on([f"127.0.14.{number}" for number in range(1, 6)])
    slice_ = Slice(api, "few-1", "few", pods.addresses)
    client = follower(lab, api, "few", 80)
    lab.until(lambda: len(shares(client.calls)) == 5, 15)
    gone, back = [], []
    for trial in range(trials):
        address = pods.addresses[trial % 5]
        when = slice_.put([address])
        # Half a second of calls after it, in which a pod would have its turn fifty times.
        lab.until(lambda: client.calls[-1].due > when + 0.5, 10)
        gone.append(((last_call(client.calls, name_of(address)) or when) - when) * 1000)
        when = slice_.put()
        lab.until(lambda: first_call(client.calls, name_of(address), since=when), 10)
        first = first_call(client.calls, name_of(address), since=when)
        back.append(None if first is None else (first - when) * 1000)
    calls = client.stop()
    lab.check_no_failures(calls)
    lab.check(
        f"not ready: last call on the pod after the API server was told, the latest of {trials}",
        max(gone), at_most=250, unit=" ms")
    lab.check(
        f"ready: first call on it, the latest of {trials}",
        None if None in back else max(back), at_most=250, unit=" ms")


def follower(lab, api, service, seconds):
    return lab.client(
        f"k8s:///{service}.shop:grpc", rate=500, seconds=seconds, api=api.url, api_token=api.token, verbose=True)


@case("A13", "EndpointSlices: 250 pods in three; one changes; 410; an API server that is away", limit=200)
def a13(lab):
    away = 15 if lab.quick else 60
    api = API(lab)
    addresses = [f"127.0.13.{number}" for number in range(1, 251)]
    lab.pod_on(addresses, delay=0)
    slices = [
        Slice(api, f"orders-{start}", "orders", addresses[start : start + size], first=start)
        for start, size in ((0, 100), (100, 100), (200, 50))
    ]
    client = follower(lab, api, "orders", away + 120)
    begun = time.monotonic()
    reached = lab.until(lambda: len(shares(client.calls)) == 250, 30)
    lab.check("pods called", len(shares(client.calls)), equal=250)
    lab.check("connections opened", len(lab.wire.openings_to()), equal=250)
    if reached:
        lab.note(f"all 250 called {reached - begun:.1f} s after the client's start, at 500 calls/s")

    # One slice changes.
    few = addresses[:10]
    changed = slices[0].put(few)
    gone = lab.until(lambda: not any(lab.network.connections(address) for address in few), 15)
    later = time.monotonic()
    lab.until(lambda: client.calls[-1].due > later + 1, 10)
    lab.check("ten pods of one slice are not ready: connections to them closed", gone is not None, equal=True)
    lab.check("connections opened by that", len(lab.wire.openings_to(since=changed)), equal=0)
    lab.check("connections closed by that", lab.wire.closed(), equal=10)
    called = shares(between(client.calls, later, later + 1))
    lab.check("pods called after it", len(called), equal=240)
    lab.check("of them some of the ten", len(set(called) & set(names(few))), equal=0)
    back = slices[0].put()
    lab.until(lambda: set(names(few)) <= set(shares(between(client.calls, back))), 15)
    lab.check("ready again: connections opened", len(lab.wire.openings_to(since=back)), equal=10)

    # What was is history, and something has changed meanwhile that no event tells.
    last = addresses[-1]
    api.tell("forget")
    slices[2].put([last], command="quiet")
    history = api.tell("compact")
    api.tell("end", how="gone")
    lab.until(lambda: not lab.network.connections(last), 15)
    lab.check("410: lists", len(api.requests("list")), equal=1)
    lab.check("410: connections opened", len(lab.wire.openings_to(since=history)), equal=0)
    lab.check("410: connections closed, of the one pod that is not ready since", lab.wire.closed() - 10, equal=1)

    # It is away.
    down = api.tell("down")
    slices[2].put()
    lab.until(lambda: client.calls[-1].due > down + away, away + 30)
    up = api.tell("up")
    called = shares(between(client.calls, down + 1, up))
    lab.check(f"{away} s without the API server: pods called", len(called), equal=249)
    lab.check("connections opened meanwhile", len(lab.wire.openings_to(since=down)), equal=0)
    lab.until(lambda: first_call(client.calls, name_of(last), since=up), 40)
    calls = client.stop()
    lab.check_no_failures(calls)
    first = first_call(calls, name_of(last), since=up)
    lab.check(
        "first call on a pod that is ready since, after its return (the longest wait is 30 s)",
        None if first is None else first - up, at_most=31.0, unit=" s")
    told = [line for line in open(client.errors) if "resolving failed" in line]
    lab.check("lines in the log about it", len(told), equal=1)
    lab.notes += [line.strip() for line in told]
