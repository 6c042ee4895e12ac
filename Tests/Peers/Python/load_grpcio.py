"""UnaryCalls at a fixed rate with grpcio's client: load_grpcio.py TARGET RATE SECONDS TIMEOUT_MS OUT. Late calls are still
made, and latency counts from the time at which a call was due. One line of CSV for each, as `volery-interop load` writes
them: START,LATENCY_MS,CODE,SERVER_ID. Prints READY and DONE."""

import sys
import threading
import time

import grpc
import messages


def main() -> None:
    target, rate, seconds, timeout, out = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4], sys.argv[5]
    channel = grpc.insecure_channel(target)
    method = messages.UNARY_CALL
    call = channel.unary_unary(method.path, method.request.SerializeToString, method.response.FromString)
    request = messages.SimpleRequest(fill_server_id=True)
    total = int(rate * seconds)
    lines: list[str] = []
    left = threading.Semaphore(0)
    print("READY", flush=True)
    start, unix = time.monotonic(), time.time()
    for index in range(total):
        offset = index / rate
        pause = start + offset - time.monotonic()
        if pause > 0:
            time.sleep(pause)

        def ended(future: grpc.Future, offset: float = offset) -> None:
            latency = (time.monotonic() - start - offset) * 1000
            code = future.code().value[0]
            server = future.result().server_id if code == 0 else ""
            lines.append(f"{unix + offset:.6f},{latency:.3f},{code},{server}\n")
            left.release()

        call.future(request, timeout=int(timeout) / 1000).add_done_callback(ended)
    for _ in range(total):
        left.acquire()
    with open(out, "w") as file:
        file.writelines(lines)
    print("DONE", flush=True)


if __name__ == "__main__":
    main()
