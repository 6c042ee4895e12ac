"""The load generator on grpcio: client.py PORT[,PORT] CONCURRENCY SECONDS PAYLOAD_BYTES    prints one JSON line

Messages are protobuf's bytes, written by hand, so that no code is generated: what is measured is grpcio's call."""

import json
import sys
import threading
import time

import grpc

METHOD = "/volery.benchmark.Benchmark/Unary"


def varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def main():
    ports, concurrency, seconds, payload = sys.argv[1], *map(int, sys.argv[2:5])
    target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports.split(","))
    channel = grpc.insecure_channel(target, options=[("grpc.service_config", json.dumps(
        {"loadBalancingConfig": [{"round_robin": {}}]}))])
    unary = channel.unary_unary(METHOD)
    message = b"\x0a" + varint(payload) + b"\x07" * payload if payload else b""
    for _ in range(20):
        unary(message, wait_for_ready=True)
    latencies = []
    running = threading.Semaphore(0)
    start, cpu = time.perf_counter(), time.process_time()
    end = start + seconds

    class Lane:
        def go(self):
            self.began = time.perf_counter()
            if self.began >= end:
                return running.release()
            unary.future(message).add_done_callback(self.done)

        def done(self, call):
            call.result()
            latencies.append(time.perf_counter() - self.began)
            self.go()

    for _ in range(concurrency):
        Lane().go()
    for _ in range(concurrency):
        running.acquire()
    used, elapsed = time.process_time() - cpu, time.perf_counter() - start
    latencies.sort()

    def percentile(share):
        return round(latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1e6)

    print(json.dumps({
        "calls": len(latencies), "seconds": elapsed, "cpu_us_per_call": used * 1e6 / len(latencies),
        "p50_us": percentile(0.5), "p99_us": percentile(0.99), "p999_us": percentile(0.999)}))


if __name__ == "__main__":
    main()
