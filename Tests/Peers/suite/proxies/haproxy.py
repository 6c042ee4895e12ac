"""HAProxy."""

import signal
from typing import ClassVar

from ..proxy import Proxy, first_line

CONFIGURATION = """
global
  maxconn 4000
  hard-stop-after 10s
defaults
  mode http
  timeout connect 5s
  timeout client 120s
  timeout server 120s
frontend in
  bind 127.0.0.1:{port} proto h2
  default_backend out
backend out
  server one 127.0.0.1:{backend} proto h2
"""


class HAProxy(Proxy):
    name: ClassVar = "haproxy"
    title: ClassVar = "HAProxy (Debian)"

    @classmethod
    def version(cls, program: str) -> str:
        return first_line([program, "-v"]).split()[2]

    def write_configuration(self) -> list[str]:
        file = self.folder / "haproxy.cfg"
        file.write_text(CONFIGURATION.format(backend=self.backend, port=self.port))
        return [self.program, "-W", "-db", "-f", str(file)]

    def reload(self) -> None:
        self.process.signal(signal.SIGUSR2)
