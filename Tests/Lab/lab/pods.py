"""Pods: processes that serve volery.lab.Lab, each on an address of its own. A pod's name is its address and port."""

import os
import select
import signal
import subprocess
import time

PORT = 50051


def name_of(address, port=PORT):
    """As a pod names itself: the address that was called."""
    if address.startswith("unix:"):
        return address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


class Pod:
    def __init__(self, command, addresses, port, kind="volery"):
        self.addresses = addresses
        self.kind = kind
        self.name = name_of(addresses[0], port)
        self.started = time.monotonic()
        self.listening = None
        self.terminated = None
        self._buffer = b""
        self._cancelled = None
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    @property
    def address(self):
        return self.addresses[0]

    def wait_listening(self):
        for _ in self.addresses:
            line = self._line(20)
            if not line.startswith("LISTENING"):
                raise RuntimeError(f"pod {self.name} said {line!r}")
        self.listening = time.monotonic()
        return self

    def _line(self, limit):
        end = time.monotonic() + limit
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0, end - time.monotonic()))
            more = os.read(self._process.stdout.fileno(), 65536) if ready else b""
            if not more:
                raise RuntimeError(f"pod {self.name} said nothing")
            self._buffer += more
        line, self._buffer = self._buffer.split(b"\n", 1)
        return line.decode()

    def say(self, command):
        self._process.stdin.write(command.encode() + b"\n")
        self._process.stdin.flush()
        return time.monotonic()

    def counts(self):
        """How many calls it has run, and how many different ones."""
        self.say("counts")
        word, calls, keys = self._line(5).split()
        assert word == "COUNTS"
        return int(calls), int(keys)

    def cancelled(self):
        """How many calls a grpcio pod, which was told to end, has taken from the wire and cancelled before they began."""
        if self._cancelled is None:
            while not (line := self._line(40)).startswith("CANCELLED"):
                continue
            self._cancelled = int(line.split()[1])
        return self._cancelled

    def _signal(self, number):
        # The pod may have acted on it before this process goes on.
        now = time.monotonic()
        self._process.send_signal(number)
        return now

    def terminate(self):
        self.terminated = self._signal(signal.SIGTERM)
        return self.terminated

    def kill(self):
        self.terminated = self._signal(signal.SIGKILL)
        return self.terminated

    def freeze(self):
        return self._signal(signal.SIGSTOP)

    def thaw(self):
        return self._signal(signal.SIGCONT)

    @property
    def pid(self):
        return self._process.pid

    def wait_exit(self, limit):
        """The exit code; None when it still runs after `limit` seconds."""
        try:
            return self._process.wait(limit)
        except subprocess.TimeoutExpired:
            return None
