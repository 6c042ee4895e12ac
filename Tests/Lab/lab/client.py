"""The client under test, a process of its own, and what its log says."""

import os
import subprocess
import time
from collections import Counter, namedtuple

Call = namedtuple("Call", "due ended code pod peer channel message")
StreamEvent = namedtuple("StreamEvent", "time number what code pod message")


class Client:
    def __init__(self, command, folder, number, target, flags, environment=None):
        self.log = f"{folder}/client-{number}.log"
        self.errors = f"{folder}/client-{number}.errors"
        words = [*command, "client", target, "--out", self.log]
        for name, value in flags.items():
            if value is True:
                words.append("--" + name.replace("_", "-"))
            elif value is not None and value is not False:
                words += ["--" + name.replace("_", "-"), str(value)]
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=open(self.errors, "wb"),
            text=True,
            env={**os.environ, **(environment or {})},
        )
        line = self.process.stdout.readline()
        if line.strip() != "READY":
            raise RuntimeError(f"the client said {line!r}: {open(self.errors).read()[-2000:]}")
        self.started = time.monotonic()
        self._position = 0
        self._calls = []
        self._streams = []

    def say(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return time.monotonic()

    def wait(self, limit):
        """Waits for the end of its calls; whoever has not ended then hangs, which is a failure of the scenario."""
        try:
            output, _ = self.process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"the client has not ended its calls within {limit:.0f} s") from None
        if self.process.returncode != 0 or "DONE" not in output:
            tail = open(self.errors).read()[-2000:]
            raise RuntimeError(f"the client ended with {self.process.returncode}: {tail}")
        return self.calls

    def stop(self, limit=15):
        self.say("stop")
        return self.wait(limit)

    def _read(self):
        """Takes the lines that are new since the last time."""
        with open(self.log, "rb") as file:
            file.seek(self._position)
            data = file.read()
        data = data[: data.rfind(b"\n") + 1]
        self._position += len(data)
        for line in data.decode().split("\n")[:-1]:
            kind, *fields = line.split("\t")
            if kind == "call":
                due, ended, code, pod, peer, channel, message = fields
                self._calls.append(Call(float(due), float(ended), int(code), pod, peer, int(channel), message))
            elif kind == "stream":
                when, number, what, code, pod, message = fields
                self._streams.append(StreamEvent(float(when), int(number), what, int(code), pod, message))

    @property
    def calls(self):
        """In the order in which they were due."""
        self._read()
        return sorted(self._calls, key=lambda call: call.due)

    @property
    def streams(self):
        self._read()
        return list(self._streams)


def failed(calls):
    return [call for call in calls if call.code != 0]


def answered(calls):
    return [call for call in calls if call.code == 0]


def between(calls, start, end=float("inf")):
    """Those that were due in that time."""
    return [call for call in calls if start <= call.due < end]


def shares(calls):
    return Counter(call.pod for call in answered(calls))


def skew(calls, pods):
    """The busiest pod's calls over the mean."""
    counts = shares(calls)
    return max(counts.values(), default=0) * pods / max(1, sum(counts.values()))


def first_call(calls, pod, since=0.0):
    return next((call.due for call in calls if call.pod == pod and call.code == 0 and call.due >= since), None)


def last_call(calls, pod):
    return max((call.due for call in calls if call.pod == pod and call.code == 0), default=None)


def latest_first(calls, changes):
    """How long after its change the first call on a pod came, of (pod, when) the latest; None where one never came."""
    firsts = [(first_call(calls, pod), when) for pod, when in changes]
    return None if any(first is None for first, _ in firsts) else max(first - when for first, when in firsts)


def percentile(calls, share):
    """Of the latencies of answered calls, in milliseconds from when they were due."""
    latencies = sorted((call.ended - call.due) * 1000 for call in answered(calls))
    return latencies[min(len(latencies) - 1, int(len(latencies) * share))] if latencies else float("inf")


def causes(calls, limit=2):
    """The most frequent failures, for people."""
    counts = Counter(f"{call.code}: {call.message}" for call in failed(calls))
    return [f"{count} x {text[:400]}" for text, count in counts.most_common(limit)]


def busiest_window(times, width):
    """The most events within any window of that many seconds."""
    times, best, start = sorted(times), 0, 0
    for index, when in enumerate(times):
        while when - times[start] >= width:
            start += 1
        best = max(best, index - start + 1)
    return best
