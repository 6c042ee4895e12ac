"""Programs that are told what to do line by line, and answer in the same way, in JSON."""

import json
import os
import pathlib
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

LIMIT = 30.0


class Gone(Exception):
    """A program ended, or did not say what was waited for."""


class Talking:
    """A process with lines of JSON both ways. What it writes to standard error goes to a file."""

    def __init__(self, command: list[str], log: pathlib.Path, environment: dict[str, str] | None = None) -> None:
        self.log = log
        self.said: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._has_ended = False
        with open(log, "ab") as file:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                env=os.environ | (environment or {}),
            )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._news:
                self.said.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._has_ended = True
            self._news.notify_all()

    def tell(self, **command: Any) -> None:
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise Gone(f"{self.process.args[:2]} has ended: {self.tail()}") from error

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-600:]

    def wait(self, fits: Callable[[dict[str, Any]], bool], limit: float = LIMIT, since: int = 0) -> dict[str, Any]:
        """The first line that fits, of those after the first `since`."""
        end = time.monotonic() + limit
        with self._news:
            while True:
                for line in self.said[since:]:
                    if fits(line):
                        return line
                left = end - time.monotonic()
                if left <= 0 or self._has_ended:
                    words = " ".join(map(str, self.process.args[:2]))
                    raise Gone(f"{words} {f'ended with {self.process.wait(5)}' if self._has_ended else 'did not say it'}; {self.tail()}")
                self._news.wait(left)

    def cpu(self) -> float:
        """Seconds of processor time until now."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Megabytes that are resident."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(LIMIT)

    def close(self) -> None:
        """It ends by itself when nothing more comes."""
        try:
            self.process.stdin.close()
            self.process.wait(3)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self.kill()
