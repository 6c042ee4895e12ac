#!/usr/bin/env bash
# grpcio 1.85.3 (gRPC C-core): a server that fails an attempt and says `grpc-retry-pushback-ms: 0`, that is "again, at once", gets
# no second attempt. The call waits, and ends as DEADLINE_EXCEEDED with its deadline; the status that came is not told. With 1
# in place of 0 the same call is tried again after a millisecond, and succeeds.
#
# gRFC A6, Pushback, has the client try again in as many milliseconds as the server says. -1 (do not retry) ends the call with the
# server's status, as it should.
#
# Installs grpcio in a temporary folder, runs it on valid calls, and fails if what comes out is not what is said here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install -q --disable-pip-version-check grpcio==1.85.3

cat > calls.py <<'PYTHON'
import json
import sys
from concurrent import futures

import grpc

CALLS, DEADLINE = 3, 3
attempts = []


def second_time_lucky(request, context):
    """Fails the first attempt with the pushback that the request says."""
    attempts.append(request)
    if len(attempts) > 1:
        return b"done"
    context.set_trailing_metadata((("grpc-retry-pushback-ms", request.decode()),))
    context.abort(grpc.StatusCode.UNAVAILABLE, "not now")


server = grpc.server(futures.ThreadPoolExecutor(4))
handler = grpc.unary_unary_rpc_method_handler(second_time_lucky)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("example.Service", {"Call": handler}),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
policy = {"maxAttempts": 3, "initialBackoff": "0.1s", "maxBackoff": "0.1s", "backoffMultiplier": 1,
          "retryableStatusCodes": ["UNAVAILABLE"]}
config = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})
found = {}
with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.service_config", config)]) as channel:
    method = channel.unary_unary("/example.Service/Call")
    for pushback in ("0", "1", "500", "-1"):
        ends = set()
        for _ in range(CALLS):
            attempts.clear()
            try:
                end = method(pushback.encode(), timeout=DEADLINE).decode()
            except grpc.RpcError as error:
                end = f"{error.code().name}: {error.details()}"
            ends.add((end, len(attempts)))
        found[pushback] = ends
        print(f"grpc-retry-pushback-ms: {pushback}: ", ", ".join(f"{end}, {tried} attempts" for end, tried in sorted(ends)))
server.stop(0)
as_said = found == {"0": {("DEADLINE_EXCEEDED: Deadline Exceeded", 1)}, "1": {("done", 2)}, "500": {("done", 2)},
                    "-1": {("UNAVAILABLE: not now", 1)}}
print("as said" if as_said else "NOT as said: the behaviour has changed")
sys.exit(0 if as_said else 1)
PYTHON
timeout 120 python/bin/python calls.py 2>/dev/null

# Output seen (2026-11-28):
#   grpc-retry-pushback-ms: 0:  DEADLINE_EXCEEDED: Deadline Exceeded, 1 attempts
#   grpc-retry-pushback-ms: 1:  done, 2 attempts
#   grpc-retry-pushback-ms: 500:  done, 2 attempts
#   grpc-retry-pushback-ms: -1:  UNAVAILABLE: not now, 1 attempts
#   as said
