"""grpcio's own weighted_round_robin (gRFC A58) against servers that report their load: weighted.py oob|calls PORT PORT.
Prints each server's id and its calls of 400, once both have reported."""

import json
import sys
import time
from collections import Counter

import grpc
import stubs

_, messages_pb2, test_pb2_grpc = stubs.load()


def main():
    how, *ports = sys.argv[1:]
    policy = {"blackoutPeriod": "0.1s", "weightUpdatePeriod": "0.2s"}
    if how == "oob":
        policy |= {"enableOobLoadReport": True, "oobReportingPeriod": "0.2s"}
    config = json.dumps({"loadBalancingConfig": [{"weighted_round_robin": policy}]})
    target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    with grpc.insecure_channel(target, options=[("grpc.service_config", config)]) as channel:
        stub = test_pb2_grpc.TestServiceStub(channel)
        end = time.monotonic() + 20
        while True:
            begun = time.monotonic()
            counts = Counter(
                stub.UnaryCall(messages_pb2.SimpleRequest(fill_server_id=True), timeout=30).server_id for _ in range(400))
            few, many = sorted(counts.values())[0], sorted(counts.values())[-1]
            if len(counts) == 2 and 2.5 < many / few < 3.5 or time.monotonic() > end:
                break
            time.sleep(max(0, 0.3 - (time.monotonic() - begun)))
    for name, count in sorted(counts.items()):
        print(f"{name} {count}", flush=True)


if __name__ == "__main__":
    main()
