"""A scenario: a named case with the statement's number, its bars, and what was measured."""

import json
import pathlib
import subprocess
import time

from . import client as clients
from .baseline import Baseline
from .dns import DNSMasq
from .network import Network
from .pods import PORT, Pod, name_of
from .proxies import Proxy

CASES = {}

# The kinds of pods that a case is run against, ours first.
BOTH = ("", "grpcio")
# A new answer is acted on within one poll interval and this, in seconds, for look-up and connection.
SLACK = 0.25
# On a machine that has other things to do (--shared) a bar for a time is so many of its slowest echoes wider, at most
# doubled, or by this where that is more: seconds. What is ten times too slow fails on every machine.
ECHOES = 3
LEAST_LIMIT = 0.25
SECONDS = {" s": 1, " ms": 0.001}


class Case:
    """`body` is the function that measures, `run` the same for this case's variant."""

    def __init__(self, name, statement, title, limit, quick, run, body):
        self.name, self.statement, self.title, self.limit = name, statement, title, limit
        self.quick, self.run, self.body = quick, run, body


def case(statement, title, limit=60, quick=False, variants=("",), part=""):
    """Registers a scenario that may take `limit` seconds. `quick`: part of the subset that the tests run. A variant is
    given to the scenario as its second argument. `part` names the scenario where a statement has several."""

    def register(run):
        for variant in variants:
            name = "-".join(word for word in (statement, part, variant) if word)
            heading = f"{title} ({variant} pods)" if variant else title
            one = run if variants == ("",) else lambda lab, variant=variant: run(lab, variant or "volery")
            CASES[name] = Case(name, statement, heading, limit, quick, one, run)
        return run

    return register


class Laboratory:
    """What a scenario works with. One poll interval is 1 s here (the product's default is 5 s), so that trials are
    short; everything else is at its default."""

    interval = 1.0

    def __init__(self, folder, options):
        self.folder = folder
        self.options = options
        self.quick = options.quick
        self.network = Network(folder)
        self.wire = self.network.wire
        self.baseline = Baseline(folder)
        self.checks = []
        self.notes = []
        self.timeline = None
        self._dns = None
        self._pods = []
        self._clients = 0
        self._calm = 0.0

    # DNS

    @property
    def dns(self):
        if self._dns is None:
            self._dns = DNSMasq(self.folder)
        return self._dns

    def publish(self, pods, name="pods.test"):
        addresses = [address for pod in pods for address in (pod.addresses if isinstance(pod, Pod) else [pod])]
        return self.dns.publish(addresses, name)

    # Pods

    def pods(self, numbers, kind="volery", **flags):
        """Starts pods on 127.0.1.NUMBER and returns when all of them listen."""
        found = [self._pod([f"127.0.1.{number}"], kind, flags) for number in numbers]
        for pod in found:
            pod.wait_listening()
        return found

    def pod_on(self, addresses, kind="volery", port=PORT, **flags):
        """One process that listens on several addresses, each of which looks like a pod."""
        return self._pod(list(addresses), kind, flags, port).wait_listening()

    def _pod(self, addresses, kind, flags, port=PORT):
        if kind == "grpcio":
            command = [self.options.python, str(self.options.here / "grpcio_pod.py")]
        else:
            command = [self.options.program, "pod"]
        for address in addresses:
            command += ["--bind", name_of(address, port)]
        for name, value in flags.items():
            if value is not False:
                command += ["--" + name.replace("_", "-")] + ([] if value is True else [str(value)])
        self._pods.append(Pod(command, addresses, port, kind))
        return self._pods[-1]

    # Proxies

    # Theirs is the product's own.
    proxy_interval = 5.0

    def proxies(self, numbers, target="dns:///pods.test:50051", *flags):
        """Starts volery-proxy on 127.0.3.NUMBER and returns when all of them listen."""
        program = str(pathlib.Path(self.options.program).with_name("volery-proxy"))
        found = [Proxy(program, f"127.0.3.{number}", target, flags) for number in numbers]
        for proxy in found:
            proxy.wait_listening()
        return found

    def start_bytes(self, work, target, **flags):
        """Calls of methods that no .proto has: see BytesCommand."""
        command = [self.options.program, "bytes", work, target]
        for name, value in flags.items():
            command += ["--" + name, str(value)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def finish_bytes(self, process, limit=90):
        """What came of them."""
        output, _ = process.communicate(timeout=limit)
        lines = output.splitlines()
        if process.returncode != 0 or not lines:
            raise RuntimeError(f"{process.args} ended with {process.returncode}: {output[-2000:]}")
        self.notes += lines[:-1]
        return json.loads(lines[-1])

    def bytes(self, work, target, **flags):
        return self.finish_bytes(self.start_bytes(work, target, **flags))

    # Clients

    def client(self, target="dns:///pods.test:50051", environment=None, **flags):
        if self._clients == 0:
            self._calm = time.monotonic()  # Starting many pods takes the machine's whole attention.
        self._clients += 1
        flags.setdefault("refresh", int(self.interval * 1000))
        if flags["refresh"] == 0:
            del flags["refresh"]
        command = [self.options.program]
        if self.options.reference:
            command = [self.options.python, str(self.options.here / "grpcio_client.py")]
        return clients.Client(command, self.folder, self._clients, target, flags, environment)

    # Time

    def pause(self, seconds):
        time.sleep(seconds)

    def until(self, condition, limit):
        """When the condition came true; None if it did not within `limit` seconds."""
        end = time.monotonic() + limit
        while True:
            if condition():
                return time.monotonic()
            if time.monotonic() > end:
                return None
            time.sleep(0.02)

    # What came of it

    @property
    def echo(self):
        """The slowest echo of this machine since the first client was started, in seconds."""
        return self.baseline.worst(self._calm)

    def _allowance(self, bar, scale):
        """What a bar is widened by: nothing, unless the machine is shared."""
        if not self.options.shared or scale is None:
            return 0.0
        return min(ECHOES * self.echo / scale, max(abs(bar), LEAST_LIMIT / scale))

    def check(self, what, measured, at_most=None, at_least=None, equal=None, unit="", text=None, per_second=None):
        """One measured figure beside its bar. `text` shows the figure where its value alone says too little. None is a figure
        that could not be taken: it fails. `per_second`: how much a delay of one second adds to a figure that is no time
        itself (calls, say, that came before every pod was ready)."""
        scale = SECONDS.get(unit) or (1 / per_second if per_second else None)
        extra = 0.0 if at_most is None else self._allowance(at_most, scale)
        if equal is not None:
            bar, is_met = f"{_text(equal)}{unit}", measured == equal
        elif at_most is not None and at_least is not None:
            bar, is_met = f"{_text(at_least)} to {_text(at_most)}{unit}", measured is not None and (
                at_least <= measured <= at_most + extra
            )
        elif at_most is not None:
            bar, is_met = f"<= {_text(at_most)}{unit}", measured is not None and measured <= at_most + extra
        else:
            bar, is_met = f">= {_text(at_least)}{unit}", measured is not None and measured >= at_least
        if extra and measured is not None and measured > at_most:
            bar += f", and {_text(extra)}{unit} for an echo of {self.echo * 1000:.0f} ms"
        value = measured.hex() if isinstance(measured, bytes) else measured
        text = text or ("never" if measured is None else f"{_text(measured)}{unit}")
        self.checks.append({"what": what, "measured": text, "value": value, "bar": bar, "pass": bool(is_met)})
        return is_met

    def check_no_failures(self, calls, when="", kind="volery", streams=()):
        """Calls that failed, all of them. A grpcio server that is stopped cancels the calls that it has taken from the wire
        and not yet handed to its program (Python asks for one at a time); it counts those that came and never began. No more
        than these may have ended so, by CANCELLED, near its stop. Some of them end as refused, and are made elsewhere."""
        bad = clients.failed(calls)
        if kind == "grpcio":
            counted = sum(pod.cancelled() for pod in self._pods if pod.terminated and pod.kind == "grpcio")
            own = [call for call in bad if self._is_cancelled_at_stop(call.code, call.message, call.ended)]
            own += [event for event in streams if self._is_cancelled_at_stop(event.code, event.message, event.time)]
            words = "calls cancelled by stopping grpcio servers, beyond those that they count as come and never begun"
            beyond = max(0, len(own) - counted)
            self.check(words, beyond, equal=0, text=f"{beyond} ({len(own)} cancelled, {counted} counted)")
            bad = [call for call in bad if call not in own]
        self.check(f"failed calls{when}", len(bad), equal=0, text=f"{len(bad)} of {len(calls):,}")
        self.notes += clients.causes(bad)

    def _is_cancelled_at_stop(self, code, message, ended):
        near = any(pod.terminated and pod.terminated <= ended <= pod.terminated + 1 for pod in self._pods)
        return code == 1 and "CANCELLED" in message and near

    def note(self, text):
        self.notes.append(text)

    def draw(self, calls, title, events, step=0.25):
        """Keeps the calls per pod over time for a picture; events are (time, text)."""
        if not calls:
            return
        start, end = calls[0].due, calls[-1].due
        count = max(1, int((end - start) / step))  # Without the last, which is not whole.
        pods = {}
        errors = [0] * count
        for call in calls:
            index = int((call.due - start) / step)
            if index >= count:
                break
            if call.code != 0:
                errors[index] += 1
            else:
                pods.setdefault(call.pod, [0] * count)[index] += 1
        if self.options.reference:
            title += ", grpcio's client"
        marks = [(when - start, text) for when, text in events]
        made, failures = len(calls), len(clients.failed(calls))
        self.timeline = {
            "made": made,
            "failed": failures,
            "title": title,
            "step": step,
            "pods": pods,
            "errors": errors,
            "events": marks,
        }


def _text(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)
