"""What a case works with: a control plane, servers, and the clients that are compared."""

import pathlib
import threading
import time
from collections.abc import Callable
from typing import Any

from . import resources
from .backend import Backend
from .case import Outcome
from .client import GRPCIO, Client, Envoy, Volery, free_port
from .process import Gone, Talking

LIMIT = 20.0


class Lab:
    def __init__(self, options: Any, folder: pathlib.Path, names: tuple[str, ...]) -> None:
        self.options, self.folder, self.names = options, folder, names
        self.quick = options.quick
        self.backends: dict[str, Backend] = {}
        self.clients: dict[str, Client] = {}
        self.port, self.listener = free_port(), free_port()
        self.control = self.new_control()
        self.set("listener", *resources.listeners(self.listener))

    # The control plane.

    def new_control(self) -> Talking:
        words = [self.options.python, str(self.options.here / "control_plane.py")]
        return Talking(words, self.folder / "control.log")

    def set(
        self,
        kind: str,
        *those: resources.Resource,
        raw: list[dict[str, str]] | None = None,
        special: dict[str, list[resources.Resource]] | None = None,
    ) -> int:
        """The whole set of a kind; its version. `special`: what one of the clients gets in place of the others."""
        seen = len(self.control.said)
        self.control.tell(set=kind, resources=list(those), raw=raw or [], special=special or {})
        return self.control.wait(lambda line: line["event"] == "set" and line["type"] == kind, since=seen)["version"]

    def listen(self) -> None:
        self.control.tell(start=self.port)
        self.control.wait(lambda line: line["event"] == "listening")

    def verdict(self, client: str, kind: str, version: int, limit: float = 3.0) -> dict[str, Any] | None:
        """How a client took it; None where it does not say."""

        def fits(line: dict[str, Any]) -> bool:
            about = (line.get("node"), line.get("type"), line.get("version"))
            return line["event"] in ("ack", "nack") and about == (client, kind, version)

        try:
            return self.control.wait(fits, limit)
        except Gone:
            return None

    # Servers, and what is said of them.

    def backend(self, name: str) -> Backend:
        if name not in self.backends:
            self.backends[name] = Backend(name)
        return self.backends[name]

    def group(self, zone: str, *names: str, weight: int = 1, priority: int = 0, **extra: Any) -> resources.Resource:
        """A locality of these servers."""
        those = [resources.endpoint(self.backend(name).port, **extra) for name in names]
        return resources.locality(zone, those, weight, priority)

    def clusters(self, **groups: list[resources.Resource]) -> None:
        """Clusters without anything special, each with its localities."""
        self.set("endpoints", *(resources.endpoints(name, *those) for name, those in groups.items()))
        self.set("cluster", *(resources.cluster(name) for name in groups))

    def routes(self, *those: resources.Resource, **host: Any) -> int:
        return self.set("routes", resources.routes(*those, host=host))

    # The clients.

    def start(self, warm: bool = True) -> None:
        """The control plane and the clients; `warm`: each has made a call."""
        self.listen()
        if "volery" in self.names:
            self.clients["volery"] = Volery(self.options, self.folder, self.port)
        if "grpcio" in self.names:
            self.clients["grpcio"] = GRPCIO(self.options, self.folder, self.port)
        if "envoy" in self.names:
            self.clients["envoy"] = Envoy(self.options, self.folder, self.port, self.listener)
        for client in self.clients.values():
            client.program.wait(lambda line: "ready" in line)
        if warm:
            self.each(lambda client: Outcome("", self.until(lambda: not client.calls(1, wait=True, timeout=10).failed)))

    def each(self, observe: Callable[[Client], Outcome]) -> dict[str, Outcome]:
        """What each of the clients does, at once; one that can't is an outcome too."""
        found: dict[str, Outcome] = {}

        def one(client: Client) -> None:
            try:
                found[client.name] = observe(client)
            except Gone as error:
                found[client.name] = Outcome(f"nothing: {error}"[:300], False)

        threads = [threading.Thread(target=one, args=(client,)) for client in self.clients.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {name: found[name] for name in self.clients}

    @staticmethod
    def until(fits: Callable[[], bool], limit: float = LIMIT) -> bool:
        """Whether it comes true within the limit."""
        end = time.monotonic() + limit
        while not fits():
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def close(self) -> None:
        for client in self.clients.values():
            client.close()
        self.control.kill()
        for backend in self.backends.values():
            backend.stop()
