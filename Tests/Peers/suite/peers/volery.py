"""Our own ends: volery-interop."""

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..cases import OUR_CLIENT
from ..peer import Peer

if TYPE_CHECKING:
    from . import Programs


@dataclass
class Volery(Peer):
    def version(self) -> str:
        try:
            command = ["git", "rev-parse", "--short", "HEAD"]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return ""

    def server_command(self) -> list[str]:
        return [*self.command, "server", "--bind", "127.0.0.1:0"]

    def client_command(self, port: int, concurrent: int, cases: list[str]) -> list[str]:
        return [
            *self.command,
            "client",
            "--server_host",
            "127.0.0.1",
            "--server_port",
            str(port),
            "--concurrent_calls",
            str(concurrent),
            "--test_case",
            ",".join(cases),
        ]


def make(programs: "Programs") -> Peer:
    return Volery("volery", "Volery", [programs.volery], cases=OUR_CLIENT)
