"""Proxies between a load and one of our servers: HTTP/2 without TLS on both sides, one core and one worker each, no log. Each does what
ours can't but do: it appends the client's address to x-forwarded-for. What would make another one dearer is switched off, and what
makes it cheaper is set (connections to the server are kept, and as many calls go through one as it can do)."""

import json
import pathlib
import re
import shutil
import subprocess

from h2load import Load
from processes import LOAD_CORE, Running
from results import Row, latencies
from targets import DIRECT, ENVOY, HAPROXY, NGINX, OURS
from wire import echo, method

NGINX_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log crit;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 0;
  keepalive_requests 1000000000;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} http2;
    location / {{
      grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      grpc_pass grpc://backend;
    }}
  }}
}}
"""

HAPROXY_CONFIGURATION = """
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  option forwardfor
  http-reuse always
  timeout connect 5s
  timeout client 120s
  timeout server 120s
frontend in
  bind 127.0.0.1:{port} proto h2
  default_backend out
backend out
  server one 127.0.0.1:{backend} proto h2
"""

TYPES = "type.googleapis.com/envoy.extensions"


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def envoy_configuration(port, backend):
    route = {"cluster": "backend", "timeout": "0s"}
    manager = {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in", "codec_type": "HTTP2", "use_remote_address": True, "generate_request_id": False,
        "route_config": {"virtual_hosts": [
            {"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": route}]}]},
        "http_filters": [{
            "name": "envoy.filters.http.router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}}],
    }
    cluster = {
        "name": "backend", "connect_timeout": "5s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": f"{TYPES}.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {}}}},
        "load_assignment": {
            "cluster_name": "backend", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(backend)}}]}]},
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return json.dumps({"static_resources": {
        "listeners": [{"name": "in", "address": address(port), "filter_chains": [{"filters": filters}]}],
        "clusters": [cluster]}})


def commands(bench, backend):
    """By name; {port} is where each is to listen. Those that are not there are left out."""
    folder = bench.folder

    def written(name, text):
        """A configuration that is written once the port is known."""
        def write(port):
            (folder / name).write_text(text(port))
        return write

    envoy = bench.programs / "envoy/bin/envoy"
    found = {
        OURS: ([bench.volery.with_name("volery-proxy"), "--loops", "1", "--listen", "127.0.0.1:{port}",
                "--target", f"ipv4:127.0.0.1:{backend}"], None),
        ENVOY: ([binary(envoy), "-c", folder / "envoy.json", "--concurrency", "1", "--disable-hot-restart", "--log-level", "off"],
                written("envoy.json", lambda port: envoy_configuration(port, backend))),
        NGINX: ([shutil.which("nginx"), "-p", folder, "-c", folder / "nginx.conf"], written(
            "nginx.conf", lambda port: NGINX_CONFIGURATION.format(folder=folder, port=port, backend=backend))),
        HAPROXY: ([shutil.which("haproxy"), "-db", "-f", folder / "haproxy.cfg"], written(
            "haproxy.cfg", lambda port: HAPROXY_CONFIGURATION.format(port=port, backend=backend))),
    }
    return {name: one for name, one in found.items() if one[0][0] and pathlib.Path(one[0][0]).exists()}


def binary(script):
    """What the package's script would start: the process that is measured has to be the proxy itself."""
    found = sorted(script.parents[1].glob("lib/python*/site-packages/envoy/_bin/envoy"))
    return found[0] if found else None


def versions(programs):
    """For the page."""
    def first(command, pattern):
        if not command[0] or not shutil.which(command[0]):
            return "missing"
        done = subprocess.run(command, capture_output=True, text=True)
        found = re.search(pattern, done.stdout + done.stderr)
        return found[1] if found else "unknown"

    return ", ".join([
        "Envoy " + first([binary(programs / "envoy/bin/envoy"), "--version"], r"version: [^/]*/([^/\s]+)"),
        "nginx " + first(["nginx", "-v"], r"nginx/(\S+)"), "HAProxy " + first(["haproxy", "-v"], r"version (\S+)")])


def proxies(bench):
    """CPU of a proxy per unary call of 16 B, and what it adds to a call's time: h2load and the server share the other core."""
    many = Row("proxy", "proxy 16 8x32", "16 B, 8×32", "CPU µs/call")
    one = Row("proxy", "proxy 16 1x1", "16 B, 1×1", "CPU µs/call")
    added = {what: Row("proxy", f"proxy added {what}", f"added by the proxy, 1×1, {what}", "µs") for what in ("p50", "p99")}
    if not bench.wanted_of([many, one, *added.values()]):
        return
    body = echo(16)
    server = [bench.volery, "server", "{port}", "--loops", "1"]
    with Running("backend", server, LOAD_CORE) as backend, Running(DIRECT, server) as direct:
        found = commands(bench, backend.port)
        with bench.running({name: command for name, (command, _) in found.items()},
                           {name: write for name, (_, write) in found.items() if write}) as running:
            if bench.wants(many.key):
                # A server that has the proxy's core, and answers the calls itself.
                yield measured(bench, many, running | {DIRECT: direct}, body, 8, 32)
            if bench.wanted_of([one, *added.values()]):
                times = {name: [] for name in [DIRECT, *running]}
                measured(bench, one, running | {DIRECT: backend}, body, 1, 1, times)
                for name in running:
                    for through, without in zip(times[name], times[DIRECT]):
                        for what, row in added.items():
                            row.add(name, through[what] - without[what])
                del one.rounds[DIRECT]
                yield from bench.wanted_of([one, *added.values()])


def measured(bench, row, servers, body, connections, streams, times=None):
    def take(name, cpu, rate, ordered):
        found = latencies(ordered)
        row.add(name, cpu * 1e6, rate=rate, **found)
        if times is not None:
            times[name].append(found)

    load = Load(method("Unary"), body, connections, streams, len(body))
    bench.interleaved(servers, dict.fromkeys(servers, load), take)
    return row
