"""Our own proxy."""

import signal
from typing import ClassVar

from ..proxy import Proxy


class VoleryProxy(Proxy):
    name: ClassVar = "volery-proxy"
    title: ClassVar = "volery-proxy (this checkout)"

    @classmethod
    def version(cls, program: str) -> str:
        return "this one"

    def write_configuration(self) -> list[str]:
        return [
            self.program,
            "--listen",
            f"127.0.0.1:{self.port}",
            "--target",
            f"ipv4:127.0.0.1:{self.backend}",
        ]

    def reload(self) -> None:
        """It drains, and goes."""
        self.process.signal(signal.SIGTERM)
