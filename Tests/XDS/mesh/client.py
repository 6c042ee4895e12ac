"""The three clients, each of which makes the calls that a case wants."""

import contextlib
import itertools
import json
import pathlib
import random
import socket
import urllib.request
from typing import Any

from . import resources
from .process import LIMIT, Gone, Talking


class Result:
    """What became of some calls."""

    def __init__(self, line: dict[str, Any]) -> None:
        self.answers: dict[str, int] = line["answers"]
        self.failures: dict[str, int] = line["failures"]
        self.slowest: float = line["slowest"]

    @property
    def total(self) -> int:
        return sum(self.answers.values()) + self.failed

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    @property
    def failure(self) -> str:
        """The text of most failures."""
        return max(self.failures, key=lambda text: self.failures[text], default="")

    def only(self) -> str:
        """The server that answered all; else everything that happened."""
        if not self.failures and len(self.answers) == 1:
            return next(iter(self.answers))
        return ", ".join(f"{name}: {count}" for name, count in sorted((self.answers | self.failures).items()))


class Running:
    """Calls that go on while other things happen."""

    def __init__(self, client: "Client", number: int) -> None:
        self._client, self._number = client, number

    def stop(self) -> Result:
        self._client.program.tell(stop=self._number)
        return self.result()

    def result(self, limit: float = 60) -> Result:
        return Result(self._client.program.wait(lambda line: line.get("id") == self._number, limit))


class Client:
    name = ""

    def __init__(self) -> None:
        self.program: Talking
        self._numbers = itertools.count(1)

    def begin(self, **command: Any) -> Running:
        number = next(self._numbers)
        metadata = {"x-client": self.name} | command.pop("metadata", {})
        self.program.tell(id=number, metadata=metadata, **command)
        return Running(self, number)

    def calls(self, count: int, **command: Any) -> Result:
        return self.begin(calls=count, **command).result()

    def measured(self) -> Talking:
        """The process whose time and memory count."""
        return self.program

    def close(self) -> None:
        self.program.close()


class Volery(Client):
    name = "volery"

    def __init__(self, options: Any, folder: pathlib.Path, port: int) -> None:
        super().__init__()
        environment = {"GRPC_XDS_BOOTSTRAP_CONFIG": resources.bootstrap(self.name, port)}
        self.program = Talking([options.program, "xds:///orders"], folder / "volery.log", environment)


class GRPCIO(Client):
    name = "grpcio"

    def __init__(self, options: Any, folder: pathlib.Path, port: int) -> None:
        super().__init__()
        environment = {
            "GRPC_XDS_BOOTSTRAP_CONFIG": resources.bootstrap(self.name, port),
            # A55 is behind this in some versions.
            "GRPC_EXPERIMENTAL_XDS_ENABLE_OVERRIDE_HOST": "true",
        }
        command = [options.python, str(options.here / "grpcio_probe.py"), "xds:///orders"]
        self.program = Talking(command, folder / "grpcio.log", environment)


class Envoy(Client):
    """A proxy beside a client that knows nothing of it but its address."""

    name = "envoy"

    def __init__(self, options: Any, folder: pathlib.Path, port: int, listener: int) -> None:
        super().__init__()
        self.admin = free_port()
        file = folder / f"envoy-{self.admin}.json"
        file.write_text(json.dumps(resources.envoy(port, self.admin)))
        envoy = str(pathlib.Path(options.python).parent / "envoy")
        words = [envoy, "-c", str(file), "--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"]
        self.proxy = Talking([*words, "--base-id", "7"], folder / "envoy.log")
        command = [options.python, str(options.here / "grpcio_probe.py"), f"127.0.0.1:{listener}"]
        self.program = Talking(command, folder / "envoy-client.log")

    def measured(self) -> Talking:
        return self.proxy

    def statistics(self, pattern: str) -> dict[str, int]:
        url = f"http://127.0.0.1:{self.admin}/stats?filter={pattern}&format=json"
        with urllib.request.urlopen(url, timeout=LIMIT) as answer:
            return {one["name"]: one.get("value", 0) for one in json.load(answer)["stats"]}

    def close(self) -> None:
        super().close()
        self.proxy.kill()


def free_port() -> int:
    """Below those that connections of our own are given, so that it is still free when it comes back."""
    while True:
        port = random.randrange(12000, 30000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port


__all__ = ["GRPCIO", "Client", "Envoy", "Gone", "Result", "Running", "Volery", "free_port"]
