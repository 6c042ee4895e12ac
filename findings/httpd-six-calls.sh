#!/usr/bin/env bash
# Apache httpd 2.4.71 (Debian 12), mod_http2 and mod_proxy_http2, as a proxy for gRPC: a connection is told that it may have 100
# streams at once (SETTINGS_MAX_CONCURRENT_STREAMS), and six are served. While six calls last, a seventh does not get to the
# server; it ends with its deadline. Directly, a hundred and one of a hundred and one are served. (The six become more while
# short calls end on the connection: 37 after 700 of them. Watches and subscriptions do not end.)
#
# And a call that the client cancels goes on to hold its place: the server is not told, neither then nor when the client closes
# its connection (here: not within 10 s; httpd's Timeout, 60 s, ends it). Six cancelled calls to a server that has nothing to
# say so keep everybody who shares the connection out for a minute. A call with a deadline gives its place back with that.
#
# RFC 9113, 5.1.2: the setting is what a peer may rely on, and a gRPC client does: it puts all calls of a channel onto one
# connection up to that limit. 7: CANCEL says that the stream is no longer needed. Caddy 2.6.2 and nghttpx 1.52.0, with nine such
# calls at once, serve all of them, and tell the server of the end at once.
#
# Installs both in a temporary folder, runs them on valid calls, and fails if what comes out is not what is said here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"

apt-get download -qq apache2-bin=2.4.71-1~deb12u1 libapr1 libaprutil1 libnghttp2-14 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu"
python3 -m venv python
python/bin/pip install -q --disable-pip-version-check grpcio==1.85.3

cat > calls.py <<'PYTHON'
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent import futures

import grpc

OPEN = 100
ended = threading.Semaphore(0)
over = threading.Event()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def watch(request, context):
    """Says one thing, and then nothing until its client has gone."""
    gone = threading.Event()
    context.add_callback(gone.set)
    yield b"begun"
    while not over.is_set() and not gone.wait(0.1):
        pass
    if gone.is_set():
        ended.release()


def open_calls(channel, number, deadline):
    """How many of so many streams begin: the first message has come."""
    calls = [channel.unary_stream("/example.Service/Watch")(b"") for _ in range(number)]
    begun = [threading.Event() for _ in calls]

    def first(call, event):
        try:
            next(call)
            event.set()
        except grpc.RpcError:
            pass

    for call, event in zip(calls, begun):
        threading.Thread(target=first, args=(call, event), daemon=True).start()
    until = time.monotonic() + deadline
    while time.monotonic() < until and not all(event.is_set() for event in begun):
        time.sleep(0.05)
    return calls, sum(event.is_set() for event in begun)


def run(port):
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        plain = channel.unary_unary("/example.Service/Plain")
        plain(b"", timeout=20, wait_for_ready=True)
        calls, begun = open_calls(channel, OPEN, 8)
        try:
            plain(b"", timeout=3)
            one_more = "OK"
        except grpc.RpcError as error:
            one_more = error.code().name
        for call in calls:
            call.cancel()
        told = told_within(begun, 10)
    return {"begun": begun, "one more call": one_more, "cancelled": begun, "of which the server is told": told}


def told_within(number, seconds):
    until, told = time.monotonic() + seconds, 0
    while told < number and ended.acquire(timeout=max(0.0, until - time.monotonic())):
        told += 1
    return told


def streams_allowed(port):
    """SETTINGS_MAX_CONCURRENT_STREAMS of the first frame that a connection brings."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
        stream = connection.makefile("rb")
        header = stream.read(9)
        assert header[3] == 4, "no SETTINGS"
        settings = stream.read(int.from_bytes(header[:3], "big"))
    values = {int.from_bytes(settings[at:at + 2], "big"): int.from_bytes(settings[at + 2:at + 6], "big")
              for at in range(0, len(settings), 6)}
    return values.get(3)


server = grpc.server(futures.ThreadPoolExecutor(2 * OPEN + 20))
handlers = {"Watch": grpc.unary_stream_rpc_method_handler(watch),
            "Plain": grpc.unary_unary_rpc_method_handler(lambda request, context: b"")}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("example.Service", handlers),))
backend, front = server.add_insecure_port("127.0.0.1:0"), free_port()
server.start()
folder = os.getcwd()
modules = "\n".join(f"LoadModule {name}_module {folder}/root/usr/lib/apache2/modules/mod_{name}.so"
                    for name in ("mpm_event", "authz_core", "http2", "proxy", "proxy_http2"))
with open("httpd.conf", "w") as file:
    file.write(f"""{modules}
User nobody
Group nogroup
ServerName localhost
Listen 127.0.0.1:{front}
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/errors
Protocols h2c http/1.1
ProxyPass / h2c://127.0.0.1:{backend}/
""")
httpd = subprocess.Popen(["root/usr/sbin/apache2", "-DFOREGROUND", "-f", f"{folder}/httpd.conf"])
try:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", front), 1).close()
            break
        except OSError:
            time.sleep(0.05)
    allowed = streams_allowed(front)
    directly, through = run(backend), run(front)
finally:
    over.set()
    httpd.terminate()
    httpd.wait()
    server.stop(0)
print("httpd's SETTINGS_MAX_CONCURRENT_STREAMS:", allowed)
print(f"{OPEN} calls that last, directly:     ", directly)
print(f"{OPEN} calls that last, through httpd:", through)
as_said = (allowed == 100
           and directly == {"begun": OPEN, "one more call": "OK", "cancelled": OPEN, "of which the server is told": OPEN}
           and through == {"begun": 6, "one more call": "DEADLINE_EXCEEDED", "cancelled": 6, "of which the server is told": 0})
print("as said" if as_said else "NOT as said: the behaviour has changed")
sys.stdout.flush()
os._exit(0 if as_said else 1)
PYTHON
root/usr/sbin/apache2 -v | sed -n 1p
timeout 240 python/bin/python calls.py 2>/dev/null

# Output seen (2026-11-28):
#   Server version: Apache/2.4.71 (Debian)
#   httpd's SETTINGS_MAX_CONCURRENT_STREAMS: 100
#   100 calls that last, directly:      {'begun': 100, 'one more call': 'OK', 'cancelled': 100, 'of which the server is told': 100}
#   100 calls that last, through httpd: {'begun': 6, 'one more call': 'DEADLINE_EXCEEDED', 'cancelled': 6, 'of which the server is told': 0}
#   as said
