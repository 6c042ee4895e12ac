"""A proxy between client and server, HTTP/2 without TLS on both sides."""

import abc
import pathlib
import subprocess
from types import TracebackType
from typing import ClassVar, Self

from .process import Process, accepts, free_port


class Proxy(abc.ABC):
    name: ClassVar[str]
    title: ClassVar[str]
    # The words that say how many calls a connection may carry before the proxy ends it by GOAWAY, if it has such.
    calls_per_connection: ClassVar[str | None] = None

    def __init__(self, program: str, folder: pathlib.Path, backend: int, calls: int | None = None) -> None:
        """`backend`: the server's port. `calls`: how many a connection may carry before it is ended by GOAWAY."""
        self.program, self.folder, self.backend, self.calls = program, folder, backend, calls
        self.port = free_port()
        self._process: Process | None = None

    @classmethod
    @abc.abstractmethod
    def version(cls, program: str) -> str: ...

    @abc.abstractmethod
    def write_configuration(self) -> list[str]:
        """Writes it to the folder, and gives the command."""

    @abc.abstractmethod
    def reload(self) -> None:
        """Replaces the proxy by a new one without refusing a connection: the old one sends GOAWAY."""

    def start(self) -> None:
        self._process = Process(self.write_configuration(), self.folder / f"proxy-{self.name}.log")
        self._process.wait_until(lambda: accepts(self.port))

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    def kill(self) -> None:
        self.process.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()


def first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return (done.stdout + done.stderr).strip().splitlines()[0]
