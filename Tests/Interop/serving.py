"""A grpcio server of one service without a .proto, until SIGTERM."""

import signal
import threading
from concurrent import futures

import grpc


def serve(service, handlers):
    """Prints where it listens as LISTENING; calls that run get five seconds to end."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"LISTENING 127.0.0.1:{port}", flush=True)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    stopped.wait()
    server.stop(5).wait()
