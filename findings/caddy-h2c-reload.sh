#!/usr/bin/env bash
# Caddy 2.6.2 (Debian 12) as a proxy for gRPC without TLS (h2c): after `caddy reload` a client that is connected goes on to be
# served by the configuration that was replaced. Its calls reach the backend of before, without an end that was seen, and when
# that backend is taken away they fail with UNAVAILABLE ("502"), while new clients are fine. There is no GOAWAY. With TLS the
# same reload sends one, and the next call of the same client is at the new backend.
#
# A gRPC client keeps its connection for as long as it works, and GOAWAY (RFC 9113, 6.8) is what would tell it to make another.
# The server of the replaced configuration has been shut down, and its h2c connections are left out of that, which as a
# missing end of a shutdown is reported (Caddy's issue 4907).
#
# Installs both in a temporary folder, runs them on valid calls, and fails if what comes out is not what is said here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"

apt-get download -qq caddy=2.6.2-5 2>/dev/null
dpkg -x caddy_*.deb root
python3 -m venv python
python/bin/pip install -q --disable-pip-version-check grpcio==1.85.3
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 2 \
  -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null

cat > calls.py <<'PYTHON'
import os
import socket
import subprocess
import sys
import time
from concurrent import futures

import grpc

CADDY, FOLDER = "root/usr/bin/caddy", os.getcwd()
ENVIRONMENT = dict(os.environ, HOME=FOLDER, XDG_DATA_HOME=FOLDER, XDG_CONFIG_HOME=FOLDER)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def backend(name):
    server = grpc.server(futures.ThreadPoolExecutor(4))
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: name)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("example.Service", {"Call": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def call(channel):
    try:
        return channel.unary_unary("/example.Service/Call")(b"", timeout=20, wait_for_ready=True).decode()
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"


def run(tls):
    (old, old_port), (new, new_port) = backend(b"old"), backend(b"new")
    front, admin = free_port(), free_port()

    def configure(port):
        with open("Caddyfile", "w") as file:
            file.write(f"""{{
  admin 127.0.0.1:{admin}
  auto_https off
  servers {{
    protocols h1 h2 h2c
  }}
}}
{"https" if tls else "http"}://localhost:{front} {{
  {"tls cert.pem key.pem" if tls else ""}
  reverse_proxy h2c://127.0.0.1:{port}
}}
""")

    def connect():
        options = [("grpc.use_local_subchannel_pool", 1)]
        if not tls:
            return grpc.insecure_channel(f"localhost:{front}", options)
        with open("cert.pem", "rb") as file:
            return grpc.secure_channel(f"localhost:{front}", grpc.ssl_channel_credentials(file.read()), options)

    configure(old_port)
    files = ["--config", "Caddyfile", "--adapter", "caddyfile"]
    caddy = subprocess.Popen([CADDY, "run", *files], env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    try:
        with connect() as client:
            found = {"before": call(client)}
            configure(new_port)
            subprocess.run([CADDY, "reload", *files, "--address", f"127.0.0.1:{admin}"], env=ENVIRONMENT, check=True,
                           stderr=subprocess.DEVNULL, timeout=60)
            time.sleep(5)
            found["5 s after the reload"] = call(client)
            with connect() as other:
                found["a new client"] = call(other)
            old.stop(0).wait()
            found["without the old backend"] = call(client)
        return found
    finally:
        caddy.terminate()
        caddy.wait()
        old.stop(0)
        new.stop(0)


plaintext, encrypted = run(tls=False), run(tls=True)
print("h2c:", plaintext)
print("TLS:", encrypted)
gone = "UNAVAILABLE: Received http2 header with status: 502"
as_said = (plaintext == {"before": "old", "5 s after the reload": "old", "a new client": "new", "without the old backend": gone}
           and encrypted == {"before": "old", "5 s after the reload": "new", "a new client": "new", "without the old backend": "new"})
print("as said" if as_said else "NOT as said: the behaviour has changed")
sys.exit(0 if as_said else 1)
PYTHON
root/usr/bin/caddy version
timeout 240 python/bin/python calls.py 2>/dev/null

# Output seen (2026-11-28):
#   2.6.2
#   h2c: {'before': 'old', '5 s after the reload': 'old', 'a new client': 'new', 'without the old backend': 'UNAVAILABLE: Received http2 header with status: 502'}
#   TLS: {'before': 'old', '5 s after the reload': 'new', 'a new client': 'new', 'without the old backend': 'new'}
#   as said
