#!/usr/bin/env bash
# HAProxy 2.6.12 (Debian 12), HTTP/2 on both sides: 100 gRPC calls at once that are 300 kB each way stop for good, in about every
# other try; without the proxy they are done in a second. HAProxy then reads from neither side any more, though both have
# windows and room: each direction seems to wait for the other. Seen alike with grpc-go 1.33.3 at both ends (one bidirectional
# stream of 100 kB messages is enough there); not with C-core (grpcio, C++) at both ends, which keeps less under way at once.
#
# Installs HAProxy and grpclib 0.4.9 in a temporary folder, makes up to 8 tries of 100 valid calls, and fails if none of them
# stops for 10 s, or if one that goes past HAProxy does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
cd "$folder"

apt-get download -qq haproxy=2.6.12-1+deb12u4 liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
export LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu"
python3 -m venv python
python/bin/pip install -q --disable-pip-version-check grpclib==0.4.9

cat > calls.py <<'PYTHON'
import asyncio
import socket
import subprocess
import sys

from grpclib.client import Channel
from grpclib.const import Cardinality, Handler
from grpclib.encoding.base import CodecBase
from grpclib.server import Server

CALLS, SIZE, LIMIT, TRIES, PATH = 100, 300_000, 10, 8, "/example.Service/Call"


class Bytes(CodecBase):
    __content_subtype__ = "proto"

    def encode(self, message, message_type):
        return message

    def decode(self, data, message_type):
        return data


class Service:
    def __mapping__(self):
        async def call(stream):
            await stream.recv_message()
            await stream.send_message(bytes(SIZE))

        return {PATH: Handler(call, Cardinality.UNARY_UNARY, bytes, bytes)}


async def calls(port):
    """How many of the calls were answered within the limit."""
    channel = Channel("127.0.0.1", port, codec=Bytes())

    async def call():
        async with channel.request(PATH, Cardinality.UNARY_UNARY, bytes, bytes) as stream:
            await stream.send_message(bytes(SIZE), end=True)
            return len(await stream.recv_message())

    tasks = [asyncio.create_task(call()) for _ in range(CALLS)]
    done, pending = await asyncio.wait(tasks, timeout=LIMIT)
    for task in pending:
        task.cancel()
    channel.close()
    await asyncio.gather(*tasks, return_exceptions=True)
    return sum(1 for task in done if not task.exception() and task.result() == SIZE)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


async def main():
    backend, front = free_port(), free_port()
    server = Server([Service()], codec=Bytes())
    await server.start("127.0.0.1", backend)
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
    await asyncio.sleep(1)
    directly, through = [], []
    try:
        for _ in range(TRIES):
            directly.append(await calls(backend))
            through.append(await calls(front))
            if through[-1] < CALLS:
                break
    finally:
        haproxy.kill()
        haproxy.wait()
    print(f"answered within {LIMIT} s of {CALLS}, directly:        {directly}")
    print(f"answered within {LIMIT} s of {CALLS}, through HAProxy: {through}")
    as_said = all(count == CALLS for count in directly) and through[-1] < CALLS
    print("as said" if as_said else "NOT as said: the behaviour has changed")
    sys.exit(0 if as_said else 1)


asyncio.run(main())
PYTHON
root/usr/sbin/haproxy -v | sed -n 1p
timeout 280 python/bin/python calls.py 2>/dev/null

# Output seen (2026-11-27):
#   HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/
#   answered within 10 s of 100, directly:        [100]
#   answered within 10 s of 100, through HAProxy: [45]
#   as said
