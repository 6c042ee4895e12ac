"""Servers under test: started on a core of their own, and what the system says of them (CPU, memory)."""

import os
import pathlib
import signal
import socket
import subprocess
import time

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]


# Set by bench.py: words that come before every command.
prefix = []


def pinned(core, command):
    return [*prefix, "taskset", "-c", str(core), *map(str, command)]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listening(process, port, seconds=10):
    """Waits until somebody listens there; false if the process has ended, or the time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return True
        except OSError:
            time.sleep(0.025)
    return False


def resident(process):
    """Bytes of its own memory that are there (RssAnon: files and shared libraries don't count)."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"{process.args} is gone")


class Running:
    """A server process. `command` is a list in which {port} is replaced; `prepare`, if given, is told the port before."""

    def __init__(self, name, command, core=SERVER_CORE, prepare=None):
        self.name, self.port = name, free_port()
        if prepare:
            prepare(self.port)
        self.process = subprocess.Popen(
            pinned(core, [str(word).replace("{port}", str(self.port)) for word in command]),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not listening(self.process, self.port):
            self.stop()
            raise SystemExit(f"{name}: {self.process.args} does not listen")

    def cpu(self):
        """Seconds of CPU of all its threads, those that ended too, to the nanosecond: its CLOCK_PROCESS_CPUTIME_ID."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def cpu_of_threads(self):
        """Seconds of CPU of each thread that lives, by its number."""
        return {int(path.parent.name): int(path.read_text().split()[0]) / 1e9
                for path in pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")}

    def resident(self):
        return resident(self.process)

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
