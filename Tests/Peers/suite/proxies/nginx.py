"""nginx: grpc_pass."""

import signal
from typing import ClassVar

from ..proxy import Proxy, first_line

# What a user has to set for gRPC: bodies without a limit (client_max_body_size is 1 MiB), and metadata over 4 KiB
# (grpc_buffer_size is one page).
CONFIGURATION = """
user root;
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log info;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 0;
  grpc_buffer_size 16k;
  large_client_header_buffers 4 16k;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 32; }}
  server {{
    listen 127.0.0.1:{port} http2;
    {requests}
    location / {{ grpc_pass grpc://backend; }}
  }}
}}
"""


class Nginx(Proxy):
    name: ClassVar = "nginx"
    title: ClassVar = "nginx (Debian), grpc_pass"
    calls_per_connection: ClassVar = "keepalive_requests"

    @classmethod
    def version(cls, program: str) -> str:
        return first_line([program, "-v"]).rsplit("/", 1)[1]

    def write_configuration(self) -> list[str]:
        requests = f"keepalive_requests {self.calls};" if self.calls else "keepalive_requests 1000000;"
        file = self.folder / "nginx.conf"
        file.write_text(
            CONFIGURATION.format(folder=self.folder, backend=self.backend, port=self.port, requests=requests)
        )
        return [self.program, "-p", str(self.folder), "-c", str(file)]

    def reload(self) -> None:
        self.process.signal(signal.SIGHUP)
