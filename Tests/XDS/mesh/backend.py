"""Servers that say who they are."""

import concurrent.futures
import threading
import time
from collections import Counter
from typing import Any

import grpc


class Backend:
    """A server of grpcio on a port of its own, which it keeps when it goes and comes back. A call's metadata may ask for
    time or for failures:

    x-wait   seconds before the answer
    x-fail   the status code that it fails with
    x-first  with x-fail: only the first so many attempts that have the same x-key, of each client
    """

    def __init__(self, name: str) -> None:
        self.name, self.port = name, 0
        self.fails_with: str | None = None
        self.pause = 0.0
        self.end = threading.Event()
        self.threads = 64
        self.lock = threading.Lock()
        self.attempts: Counter[str] = Counter()
        self._server: grpc.Server | None = None
        self.start()

    def start(self) -> None:
        self.end.clear()
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=self.threads), options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers([_Any(self)])
        self.port = server.add_insecure_port(f"127.0.0.1:{self.port}")
        server.start()
        self._server = server

    def stop(self) -> None:
        """Without a word: what is on its way is lost."""
        self.end.set()
        if self._server:
            self._server.stop(0).wait(5)
        self._server = None

    def answer(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        metadata: dict[str, Any] = dict(context.invocation_metadata())
        key = f"{metadata.get('x-client')} {metadata.get('x-key')}"
        with self.lock:
            self.attempts[key] += 1
            attempt = self.attempts[key]
        time.sleep(self.pause)
        if "x-wait" in metadata:
            time.sleep(float(metadata["x-wait"]))
        code = self.fails_with
        if "x-fail" in metadata and ("x-first" not in metadata or attempt <= int(metadata["x-first"])):
            code = metadata["x-fail"]
        if code:
            context.abort(grpc.StatusCode[code], f"{self.name} fails")
        return self.name.encode()

    def answer_test(self, _: bytes, context: grpc.ServicerContext) -> bytes:
        """As a server of gRPC's own tests: grpc.testing.TestService, without its messages' parts that no test looks at."""
        context.send_initial_metadata((("hostname", self.name),))
        for key, value in context.invocation_metadata():
            if key == "rpc-behavior" and value == "keep-open":
                self.end.wait(60)
            if key == "rpc-behavior" and value.startswith("sleep-"):
                time.sleep(float(value.removeprefix("sleep-")))
        return b""


class _Any(grpc.GenericRpcHandler):
    def __init__(self, backend: Backend) -> None:
        self.backend = backend

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        if details.method.startswith("/grpc.testing.TestService/"):
            return grpc.unary_unary_rpc_method_handler(self.backend.answer_test)
        return grpc.unary_unary_rpc_method_handler(self.backend.answer)
