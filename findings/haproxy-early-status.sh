#!/usr/bin/env bash
# HAProxy 2.6.12 (Debian 12) and gRPC C-core (grpcio 1.85.3): a status that a server sends before the client has ended its side
# reaches the client as CANCELLED, whatever it was, 50 of 50 times; without the proxy it arrives as it was sent.
#
# After the complete response HAProxy sends RST_STREAM with CANCEL, where RFC 9113, 8.1 says NO_ERROR ("the server MAY request
# that the client abort transmission of a request without error"), and C-core takes the reset's code for the call's status. It
# meets every stream of which the server has had enough: validation, authentication, limits.
#
# Installs both in a temporary folder, runs them on valid calls, and fails if what comes out is not what is said here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"

apt-get download -qq haproxy=2.6.12-1+deb12u4 liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu"
python3 -m venv python
python/bin/pip install -q --disable-pip-version-check grpcio==1.85.3

cat > calls.py <<'PYTHON'
import collections
import socket
import subprocess
import sys
import threading
import time
from concurrent import futures

import grpc


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def refuse(requests, context):
    next(requests)
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "enough")


def calls(port):
    """The ends of 50 bidirectional calls: one request is sent, and the client's side stays open."""
    found = collections.Counter()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        method = channel.stream_stream("/example.Service/Call")
        for _ in range(50):
            ended = threading.Event()

            def requests():
                yield b"one"
                ended.wait(5)

            try:
                next(method(requests(), timeout=5))
            except grpc.RpcError as error:
                found[f"{error.code().name}: {error.details()}"] += 1
            ended.set()
    return dict(found)


server = grpc.server(futures.ThreadPoolExecutor(8))
handler = grpc.stream_stream_rpc_method_handler(refuse)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("example.Service", {"Call": handler}),))
backend, front = server.add_insecure_port("127.0.0.1:0"), free_port()
server.start()
with open("haproxy.cfg", "w") as file:
    file.write(f"""
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend in
  bind 127.0.0.1:{front} proto h2
  default_backend out
backend out
  server one 127.0.0.1:{backend} proto h2
""")
haproxy = subprocess.Popen(["root/usr/sbin/haproxy", "-db", "-f", "haproxy.cfg"])
try:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", front), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    directly, through = calls(backend), calls(front)
finally:
    haproxy.kill()
    haproxy.wait()
    server.stop(0)
print("directly:       ", directly)
print("through HAProxy:", through)
expected = "CANCELLED: Stream removed (RST_STREAM (Received RST_STREAM with error code 8))"
as_said = directly == {"FAILED_PRECONDITION: enough": 50} and through == {expected: 50}
print("as said" if as_said else "NOT as said: the behaviour has changed")
sys.exit(0 if as_said else 1)
PYTHON
root/usr/sbin/haproxy -v | sed -n 1p
timeout 120 python/bin/python calls.py

# Output seen (2026-11-27):
#   HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/
#   directly:        {'FAILED_PRECONDITION: enough': 50}
#   through HAProxy: {'CANCELLED: Stream removed (RST_STREAM (Received RST_STREAM with error code 8))': 50}
#   as said
