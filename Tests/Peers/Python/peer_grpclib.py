"""grpclib: asyncio over python-h2, without compression."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

import program
import service
from endpoint import CANCELLED, DEADLINE_EXCEEDED, UNAVAILABLE, Context, Failure, Pairs, Reply
from grpclib import client, server
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError, StreamTerminatedError
from messages import Method


def _pairs(metadata: Any) -> Pairs:
    return list(metadata.items()) if metadata else ()


def _cardinality(method: Method) -> Cardinality:
    return next(
        kind
        for kind in Cardinality
        if (kind.client_streaming, kind.server_streaming) == (method.streams_requests, method.streams_responses)
    )


@contextlib.contextmanager
def _failures() -> Any:
    try:
        yield
    except GRPCError as error:
        raise Failure(error.status.value, error.message or "") from None
    except (asyncio.TimeoutError, TimeoutError):
        raise Failure(DEADLINE_EXCEEDED, "the deadline has passed") from None


class Stream:
    def __init__(self, call: client.Stream[Any, Any]) -> None:
        self._call, self._is_cancelled, self.has_failed = call, False, False

    @property
    def initial(self) -> Pairs:
        return _pairs(self._call.initial_metadata)

    @property
    def trailing(self) -> Pairs:
        return _pairs(self._call.trailing_metadata)

    async def send(self, message: Any) -> None:
        with _failures():
            try:
                await self._call.send_message(message)
            except StreamTerminatedError:
                # The end of the call, which receive() tells of.
                raise Failure(CANCELLED, "the stream has ended") from None

    async def finish(self) -> None:
        with _failures():
            await self._call.end()

    async def receive(self) -> Any:
        if self._is_cancelled:
            raise Failure(CANCELLED, "cancelled here")
        try:
            with _failures():
                response = await self._call.recv_message()
                if response is None:
                    # It insists on an end from this side before it lets one see the trailers.
                    self._call._end_done = True
                    await self._call.recv_trailing_metadata()
                return response
        except StreamTerminatedError as error:
            self.has_failed = True
            with _failures():
                self._call._maybe_raise()  # As it does itself at the end of its context: the status, if there is one.
            raise Failure(UNAVAILABLE, str(error)) from None
        except Failure:
            self.has_failed = True
            raise

    async def cancel(self) -> None:
        self._is_cancelled = True
        await self._call.cancel()


class Client:
    can_compress = False

    def __init__(self, target: str) -> None:
        host, port = target.rsplit(":", 1)
        self._channel = client.Channel(host, int(port))

    def _call(self, method: Method, metadata: Pairs, timeout: float) -> Any:
        kinds = (_cardinality(method), method.request, method.response)
        return self._channel.request(method.path, *kinds, timeout=timeout, metadata=list(metadata))

    async def unary(
        self, method: Method, request: Any, *, metadata: Pairs = (), timeout: float = 30, compress: bool = False
    ) -> Reply:
        with _failures():
            async with self._call(method, metadata, timeout) as call:
                await call.send_message(request, end=True)
                message = await call.recv_message()
                await call.recv_trailing_metadata()
            return Reply(message, _pairs(call.initial_metadata), _pairs(call.trailing_metadata))

    @contextlib.asynccontextmanager
    async def stream(
        self, method: Method, *, metadata: Pairs = (), timeout: float = 30, compress: bool = False
    ) -> AsyncIterator[Stream]:
        stream, has_body_failed = None, False
        try:
            with _failures():
                async with self._call(method, metadata, timeout) as call:
                    await call.send_request()
                    stream = Stream(call)
                    try:
                        yield stream
                    except BaseException:
                        has_body_failed = True
                        raise
        except Failure:
            # The status that receive() has told of: the library raises it again at the end.
            if has_body_failed or not (stream and stream.has_failed):
                raise

    async def close(self) -> None:
        self._channel.close()


def _handler(method: Method, handler: Any) -> Any:
    async def run(stream: server.Stream[Any, Any]) -> None:
        context = Context(_pairs(stream.metadata))
        request = stream if method.streams_requests else await stream.recv_message()
        try:
            if method.streams_responses:
                async for response, _ in handler(request, context):
                    if not stream._send_initial_metadata_done:
                        await stream.send_initial_metadata(metadata=context.initial)
                    await stream.send_message(response)
            else:
                response = await handler(request, context)
                await stream.send_initial_metadata(metadata=context.initial)
                await stream.send_message(response)
            await stream.send_trailing_metadata(metadata=context.trailing)
        except Failure as failure:
            raise GRPCError(Status(failure.code), failure.message) from None

    return Handler(run, _cardinality(method), method.request, method.response)


class TestService:
    def __mapping__(self) -> dict[str, Handler]:
        return {method.path: _handler(method, handler) for method, handler in service.implemented()}


async def serve(port: int) -> None:
    running = server.Server([TestService()])
    await running.start("127.0.0.1", port)
    print(f"LISTENING 127.0.0.1:{running._server.sockets[0].getsockname()[1]}", flush=True)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await stopped.wait()
    running.close()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(running.wait_closed(), 2)


if __name__ == "__main__":
    program.main(version("grpclib"), Client, serve)
