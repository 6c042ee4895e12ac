"""Processes of a run: each has its own group, a file for what it prints, and a limit; it is ended by its id."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

START_LIMIT = 20.0
STOP_LIMIT = 8.0


class NotStarted(Exception):
    """A program did not come up; the text says what it printed."""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
        return True
    except OSError:
        return False


class Process:
    def __init__(self, command: Sequence[str], log: pathlib.Path, environment: dict[str, str] | None = None) -> None:
        self.command, self.log = list(command), log
        with open(log, "ab") as file:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | (environment or {}),
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def printed(self) -> str:
        return self.log.read_text(errors="replace")

    def wait(self, limit: float) -> int | None:
        """The exit code; None if it had to be ended at the limit."""
        try:
            return self._process.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def wait_until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + START_LIMIT
        while not condition():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise NotStarted(f"{self.command[0]}: {self.printed[-800:]}")
            time.sleep(0.02)

    def listening_port(self) -> int:
        """Waits for the line "LISTENING address:port"."""
        self.wait_until(lambda: "LISTENING" in self.printed and self.printed.endswith("\n"))
        found = re.search(r"LISTENING \S*:(\d+)", self.printed)
        if not found:
            raise NotStarted(f"{self.command[0]}: {self.printed[-800:]}")
        return int(found[1])

    def signal(self, number: int) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """Ends it with all of its group at once."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()

    def stop(self) -> int | None:
        """SIGTERM; the exit code, or None when it had to be killed."""
        self.signal(signal.SIGTERM)
        code = self.wait(STOP_LIMIT)
        self.kill()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
