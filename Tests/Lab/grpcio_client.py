#!/usr/bin/env python3
"""Another implementation's client in the place of ours, for figures to compare with: gRPC C-core through grpcio, with
round_robin and nothing else. Takes the flags of `volery-lab client` that have a meaning there, and writes the same log.
"""

import argparse
import asyncio
import json
import pathlib
import sys
import time

import grpc

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Protos"))
lab_pb2, lab_pb2_grpc = grpc.protos_and_services("lab.proto")


class Log:
    def __init__(self, path):
        self._file = open(path, "w", buffering=1)

    def call(self, due, code, pod, message=""):
        text = message.replace("\t", " ").replace("\n", " ")
        self._file.write(f"call\t{due}\t{time.monotonic()}\t{code}\t{pod}\t{pod}\t0\t{text}\n")

    def stream(self, number, what, code=0, pod="", message=""):
        text = message.replace("\t", " ").replace("\n", " ")
        self._file.write(f"stream\t{time.monotonic()}\t{number}\t{what}\t{code}\t{pod}\t{text}\n")


async def call(stub, method, number, due, options, log):
    try:
        answer = await getattr(stub, method)(
            lab_pb2.Question(key=str(number)),
            timeout=options.timeout / 1000,
            wait_for_ready=True if options.wait_for_ready else None,
        )
        log.call(due, 0, answer.pod)
    except grpc.aio.AioRpcError as error:
        pods = [value for key, value in error.trailing_metadata() or () if key == "x-pod"]
        log.call(due, error.code().value[0], pods[0] if pods else "", error.details() or "")


async def chat(stub, number, life, log):
    # As the client under test does it: one after the other, once there are connections.
    await asyncio.sleep(0.3 + 0.025 * number)
    while True:
        pod, end = "", time.monotonic() + life if life else float("inf")
        try:
            stream = stub.Chat()
            while time.monotonic() < end:
                await stream.write(lab_pb2.Question())
                answer = await stream.read()
                if answer is grpc.aio.EOF:
                    break
                log.stream(number, "message" if pod else "opened", pod=answer.pod)
                pod = answer.pod
                await asyncio.sleep(0.1)
            await stream.done_writing()
            log.stream(number, "ended", pod=pod)
        except grpc.aio.AioRpcError as error:
            log.stream(number, "ended", error.code().value[0], pod, error.details() or "")
        await asyncio.sleep(0.1)


async def run(options):
    policy = {"loadBalancingConfig": [{options.policy or "round_robin": {}}]}
    config = json.loads(options.service_config) if options.service_config else policy
    settings = [("grpc.service_config", json.dumps(config)), ("grpc.use_local_subchannel_pool", 1)]
    stubs = [
        lab_pb2_grpc.LabStub(grpc.aio.insecure_channel(options.target, settings)) for _ in range(options.channels)
    ]
    log = Log(options.out)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hear():
        line = sys.stdin.readline()
        if line.strip() == "stop":
            stopped.set()
        if not line:
            loop.remove_reader(sys.stdin)

    loop.add_reader(sys.stdin, hear)
    method = "Read" if options.method == "read" else "Call"
    print("READY", flush=True)
    life = options.stream_life / 1000 if options.stream_life else None
    streams = [asyncio.create_task(chat(stubs[n % len(stubs)], n, life, log)) for n in range(options.streams)]
    total = options.calls or int(options.rate * options.seconds)
    start, calls = time.monotonic(), set()
    for number in range(total):
        due = start + number / options.rate
        if due > time.monotonic():
            await asyncio.sleep(due - time.monotonic())
        if stopped.is_set():
            break
        task = asyncio.create_task(call(stubs[number % len(stubs)], method, number, due, options, log))
        calls.add(task)
        task.add_done_callback(calls.discard)
    await asyncio.gather(*calls)
    for stream in streams:
        stream.cancel()
    print("DONE", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["client"])
    parser.add_argument("target")
    parser.add_argument("--out", required=True)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--calls", type=int)
    parser.add_argument("--method", default="call")
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--streams", type=int, default=0)
    parser.add_argument("--stream-life", type=int)
    parser.add_argument("--timeout", type=int, default=2000)
    parser.add_argument("--policy")
    parser.add_argument("--service-config")
    parser.add_argument("--wait-for-ready", action="store_true")
    options, unknown = parser.parse_known_args()
    # The interval of look-ups has no meaning here: C-core has no such option (its own limit of 30 s is what is measured).
    for flag in unknown:
        if flag.startswith("--") and flag not in ("--refresh",):
            sys.exit(f"this client can't do {flag}")
    asyncio.run(run(options))


if __name__ == "__main__":
    main()
