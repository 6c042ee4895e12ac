#!/usr/bin/env bash
# grpcio 1.85.3 (gRPC C-core; 1.50 to 1.78 the same): a timeout of the service config ends a call 1 to 2 s before it is over, and
# the server is told of no deadline at all. A call with the same timeout of its own has all of it, and its server knows.
#
# How much too early depends on when in a second the process came to use gRPC first: 1 s and the fraction of the machine's monotonic
# clock at that moment, the same for all calls of the process. A timeout of up to 1 s therefore ends each call at once, and one of 1.5 s
# ends them at once in every other process. C-core's clock of call starts counts from that moment, its clock of deadlines from the whole
# second before the one in which it lies. A route's limits by xDS go the same way.
#
# Installs grpcio in a temporary folder, runs it on valid calls, and fails if what comes out is not what is said here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install -q --disable-pip-version-check grpcio==1.85.3

cat > calls.py <<'PYTHON'
import concurrent.futures
import json
import sys
import time

import grpc

LIMIT, PATH = 4, "/example.Service/Call"
FRACTION = float(sys.argv[1])
told = []


def serve(request, context):
    told.append(context.time_remaining() < 3600)
    time.sleep(LIMIT + 1)
    return b""


def lasts(channel, **options):
    began = time.monotonic()
    try:
        channel.unary_unary(PATH)(b"", **options)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
        return time.monotonic() - began
    sys.exit("NOT as said: the call has succeeded")


# Before anything of gRPC is used: to the wanted place in a second.
time.sleep(1 - time.monotonic() % 1 + FRACTION)
server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
handler = grpc.unary_unary_rpc_method_handler(serve)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("example.Service", {"Call": handler}),))
target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
server.start()
config = json.dumps({"methodConfig": [{"name": [{}], "timeout": f"{LIMIT}s"}]})
with grpc.insecure_channel(target, options=[("grpc.service_config", config)]) as channel:
    configured = [lasts(channel), lasts(channel)]
with grpc.insecure_channel(target) as channel:
    own = lasts(channel, timeout=LIMIT)
server.stop(0)
print(
    f"first use {FRACTION} s into a second, {LIMIT} s by the service config: calls end after "
    f"{configured[0]:.2f} and {configured[1]:.2f} s; {LIMIT} s by the call: {own:.2f} s; the server was told: {told}"
)
early = all(abs(LIMIT - 1 - FRACTION - seconds) < 0.15 for seconds in configured)
as_said = early and abs(own - LIMIT) < 0.15 and told == [False, False, True]
print("as said" if as_said else "NOT as said: the behaviour has changed")
sys.exit(0 if as_said else 1)
PYTHON
for fraction in 0.1 0.8; do timeout 60 python/bin/python calls.py "$fraction"; done

# Output seen (2026-11-28):
#   first use 0.1 s into a second, 4 s by the service config: calls end after 2.90 and 2.90 s; 4 s by the call: 4.00 s; the server was told: [False, False, True]
#   as said
#   first use 0.8 s into a second, 4 s by the service config: calls end after 2.20 and 2.20 s; 4 s by the call: 4.00 s; the server was told: [False, False, True]
#   as said
