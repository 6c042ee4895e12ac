"""grpcio's asyncio API (gRPC C-core)."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from typing import Any

import grpc
import messages
import program
import service
from endpoint import Context, Failure, Pairs, Reply
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from messages import Method


def _compression(compress: bool) -> grpc.Compression:
    return grpc.Compression.Gzip if compress else grpc.Compression.NoCompression


def _failure(error: grpc.aio.AioRpcError) -> Failure:
    return Failure(error.code().value[0], error.details() or "")


def _pairs(metadata: Any) -> Pairs:
    return [(key, value) for key, value in metadata or ()]


class Stream:
    def __init__(self, call: grpc.aio.StreamStreamCall) -> None:
        self._call, self._is_cancelled = call, False
        self.initial: Pairs = ()
        self.trailing: Pairs = ()

    async def send(self, message: Any) -> None:
        try:
            await self._call.write(message)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError, asyncio.CancelledError) as error:
            raise await self._end(error) from None

    async def finish(self) -> None:
        await self._call.done_writing()

    async def receive(self) -> Any:
        try:
            response = await self._call.read()
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as error:
            raise await self._end(error) from None
        if response is not grpc.aio.EOF:
            return response
        self.initial, self.trailing = (
            _pairs(await self._call.initial_metadata()),
            _pairs(await self._call.trailing_metadata()),
        )
        code = (await self._call.code()).value[0]
        if code:
            raise Failure(code, await self._call.details())
        return None

    async def _end(self, error: BaseException) -> BaseException:
        """The status, unless the task itself was cancelled."""
        if isinstance(error, asyncio.CancelledError) and not self._is_cancelled:
            return error
        return Failure((await self._call.code()).value[0], await self._call.details() or "")

    async def cancel(self) -> None:
        self._is_cancelled = True
        self._call.cancel()


class Client:
    can_compress = True

    def __init__(self, target: str) -> None:
        self._channel = grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])

    async def unary(
        self, method: Method, request: Any, *, metadata: Pairs = (), timeout: float = 30, compress: bool = False
    ) -> Reply:
        callable = self._channel.unary_unary(method.path, method.request.SerializeToString, method.response.FromString)
        call = callable(request, metadata=tuple(metadata), timeout=timeout, compression=_compression(compress))
        try:
            message = await call
        except grpc.aio.AioRpcError as error:
            raise _failure(error) from None
        return Reply(message, _pairs(await call.initial_metadata()), _pairs(await call.trailing_metadata()))

    @contextlib.asynccontextmanager
    async def stream(
        self, method: Method, *, metadata: Pairs = (), timeout: float = 30, compress: bool = False
    ) -> AsyncIterator[Stream]:
        callable = self._channel.stream_stream(
            method.path, method.request.SerializeToString, method.response.FromString
        )
        call = callable(metadata=tuple(metadata), timeout=timeout, compression=_compression(compress))
        try:
            yield Stream(call)
        finally:
            call.cancel()

    async def close(self) -> None:
        await self._channel.close()


def _context(call: grpc.aio.ServicerContext) -> Context:
    return Context(_pairs(call.invocation_metadata()))


async def _abort(call: grpc.aio.ServicerContext, context: Context, failure: Failure) -> None:
    code = next(code for code in grpc.StatusCode if code.value[0] == failure.code)
    await call.abort(code, failure.message, tuple(context.trailing))


def _single(handler: Any) -> Any:
    async def run(request: Any, call: grpc.aio.ServicerContext) -> Any:
        context = _context(call)
        try:
            response = await handler(request, context)
        except Failure as failure:
            await _abort(call, context, failure)
        if context.compresses:
            call.set_compression(grpc.Compression.Gzip)
        await call.send_initial_metadata(tuple(context.initial))
        call.set_trailing_metadata(tuple(context.trailing))
        return response

    return run


def _streaming(handler: Any) -> Any:
    async def run(request: Any, call: grpc.aio.ServicerContext) -> Any:
        context, has_begun = _context(call), False
        try:
            async for response, compressed in handler(request, context):
                if not has_begun:
                    if context.compresses:
                        call.set_compression(grpc.Compression.Gzip)
                    await call.send_initial_metadata(tuple(context.initial))
                has_begun = True
                if not compressed:
                    call.disable_next_message_compression()
                yield response
        except Failure as failure:
            await _abort(call, context, failure)
        call.set_trailing_metadata(tuple(context.trailing))

    return run


def _handler(method: Method, handler: Any) -> Any:
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[method.streams_requests, method.streams_responses]
    run = _streaming(handler) if method.streams_responses else _single(handler)
    return make(run, method.request.FromString, method.response.SerializeToString)


async def serve(port: int) -> None:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handlers = {method.name: _handler(method, handler) for method, handler in service.implemented()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.testing.TestService", handlers),))
    health_servicer = health.aio.HealthServicer()
    await health_servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    reflection.enable_server_reflection(["grpc.testing.TestService"], server, pool=messages.POOL)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    print(f"LISTENING 127.0.0.1:{port}", flush=True)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    await server.stop(5)


if __name__ == "__main__":
    program.main(grpc.__version__, Client, serve)
