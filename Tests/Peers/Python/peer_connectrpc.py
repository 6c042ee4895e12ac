"""connectrpc with its gRPC protocol: the client on pyqwest (hyper's h2, in Rust), the server as an ASGI application."""

import asyncio
import base64
import contextlib
import signal
import socket
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

import program
import service
from connectrpc.client import ConnectClient, ResponseMetadata
from connectrpc.code import Code
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_codecs
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.protocol import ProtocolType
from connectrpc.request import Headers, RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint
from endpoint import CANCELLED, Context, Failure, Pairs, Reply
from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from messages import Method
from pyqwest import Client as HTTPClient
from pyqwest import HTTPTransport, HTTPVersion

CODES = {code: index for index, code in enumerate(Code, 1)}


def _encoded(pairs: Pairs) -> list[tuple[str, str]]:
    """It leaves the base64 of binary metadata to its users."""
    return [
        (key, base64.b64encode(value).decode().rstrip("=") if isinstance(value, bytes) else value)
        for key, value in pairs
    ]


def _pairs(headers: Headers) -> Pairs:
    return [
        (key, base64.b64decode(value + "==") if key.endswith("-bin") else value) for key, value in headers.allitems()
    ]


def _info(method: Method, kind: StreamType) -> MethodInfo[Any, Any]:
    return MethodInfo(
        name=method.name,
        service_name=method.service,
        input=method.request,
        output=method.response,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=kind,
    )


@contextlib.contextmanager
def _failures() -> Any:
    try:
        yield
    except ConnectError as error:
        raise Failure(CODES[error.code], error.message) from None


class Stream:
    """The library takes the requests from an iterator and begins the call when it is asked for the first response: a task
    of its own asks, and a queue of one lies on either side."""

    def __init__(self, metadata: ResponseMetadata) -> None:
        self._requests: asyncio.Queue[Any] = asyncio.Queue(1)
        self._responses: asyncio.Queue[Any] = asyncio.Queue(1)
        self._metadata = metadata
        self._is_cancelled = False

    def start(self, responses: AsyncIterator[Any]) -> None:
        self._pump = asyncio.create_task(self._run(responses))

    async def _run(self, responses: AsyncIterator[Any]) -> None:
        try:
            with _failures():
                async for response in responses:
                    await self._responses.put(response)
            end: Failure | None = None
        except Failure as failure:
            end = failure
        finally:
            await responses.aclose()
        await self._responses.put(end)

    async def requests(self) -> AsyncIterator[Any]:
        while (request := await self._requests.get()) is not None:
            yield request

    @property
    def initial(self) -> Pairs:
        return _pairs(self._metadata.headers)

    @property
    def trailing(self) -> Pairs:
        return _pairs(self._metadata.trailers)

    async def send(self, message: Any) -> None:
        """Fails when the call has ended, like the others; the library itself would wait for ever."""
        put = asyncio.ensure_future(self._requests.put(message))
        await asyncio.wait([put, self._pump], return_when=asyncio.FIRST_COMPLETED)
        if not put.done():
            put.cancel()
            raise Failure(CANCELLED, "the call has ended")

    async def finish(self) -> None:
        await self.send(None)

    async def receive(self) -> Any:
        if self._is_cancelled:
            raise Failure(CANCELLED, "cancelled here")
        response = await self._responses.get()
        if isinstance(response, Failure):
            raise response
        return response

    async def cancel(self) -> None:
        self._is_cancelled = True
        self._pump.cancel()
        await asyncio.wait([self._pump])


class Client:
    can_compress = True

    def __init__(self, target: str) -> None:
        self._transport = HTTPTransport(http_version=HTTPVersion.HTTP2)
        options = {
            "protocol": ProtocolType.GRPC,
            "codec": google_protobuf_binary_codec(),
            "http_client": HTTPClient(self._transport),
        }
        self._plain = ConnectClient(f"http://{target}", send_compression=None, **options)
        self._compressing = ConnectClient(f"http://{target}", **options)

    async def unary(
        self, method: Method, request: Any, *, metadata: Pairs = (), timeout: float = 30, compress: bool = False
    ) -> Reply:
        client = self._compressing if compress else self._plain
        with _failures(), ResponseMetadata() as received:
            message = await client.execute_unary(
                request=request,
                method=_info(method, StreamType.UNARY),
                headers=Headers(_encoded(metadata)),
                timeout_ms=max(1, round(timeout * 1000)),
            )
        return Reply(message, _pairs(received.headers), _pairs(received.trailers))

    @contextlib.asynccontextmanager
    async def stream(
        self, method: Method, *, metadata: Pairs = (), timeout: float = 30, compress: bool = False
    ) -> AsyncIterator[Stream]:
        client = self._compressing if compress else self._plain
        with ResponseMetadata() as received:
            stream = Stream(received)
            responses = client.execute_bidi_stream(
                request=stream.requests(),
                method=_info(method, StreamType.BIDI_STREAM),
                headers=Headers(_encoded(metadata)),
                timeout_ms=max(1, round(timeout * 1000)),
            )
            stream.start(responses)
            try:
                yield stream
            finally:
                await stream.cancel()

    async def close(self) -> None:
        await self._transport.aclose()


def _context(call: RequestContext[Any, Any]) -> Context:
    return Context(_pairs(call.request_headers))


def _finish(call: RequestContext[Any, Any], context: Context) -> None:
    for key, value in _encoded(context.trailing):
        call.response_trailers.add(key, value)


def _begin(call: RequestContext[Any, Any], context: Context) -> None:
    for key, value in _encoded(context.initial):
        call.response_headers.add(key, value)


def _error(failure: Failure) -> ConnectError:
    return ConnectError(next(code for code, number in CODES.items() if number == failure.code), failure.message)


def _single(handler: Any) -> Any:
    async def run(request: Any, call: RequestContext[Any, Any]) -> Any:
        context = _context(call)
        try:
            response = await handler(request, context)
        except Failure as failure:
            raise _error(failure) from None
        _begin(call, context)
        _finish(call, context)
        return response

    return run


def _streaming(handler: Any) -> Any:
    async def run(request: Any, call: RequestContext[Any, Any]) -> Any:
        context, has_begun = _context(call), False
        try:
            async for response, _ in handler(request, context):
                if not has_begun:
                    _begin(call, context)
                has_begun = True
                yield response
        except Failure as failure:
            raise _error(failure) from None
        _finish(call, context)

    return run


def _endpoint(method: Method, handler: Any) -> Endpoint[Any, Any]:
    make, kind = {
        (False, False): (Endpoint.unary, StreamType.UNARY),
        (False, True): (Endpoint.server_stream, StreamType.SERVER_STREAM),
        (True, False): (Endpoint.client_stream, StreamType.CLIENT_STREAM),
        (True, True): (Endpoint.bidi_stream, StreamType.BIDI_STREAM),
    }[method.streams_requests, method.streams_responses]
    run = _streaming(handler) if method.streams_responses else _single(handler)
    return make(method=_info(method, kind), function=run)


class Application(ConnectASGIApplication[None]):
    path = "/grpc.testing.TestService"

    def __init__(self) -> None:
        endpoints = {method.path: _endpoint(method, handler) for method, handler in service.implemented()}
        super().__init__(service=None, endpoints=lambda _: endpoints, codecs=google_protobuf_codecs())


async def serve(port: int) -> None:
    listener = socket.create_server(("127.0.0.1", port))
    port = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    config.graceful_timeout = 2
    print(f"LISTENING 127.0.0.1:{port}", flush=True)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await hypercorn_serve(Application(), config, shutdown_trigger=stopped.wait)


if __name__ == "__main__":
    program.main(version("connectrpc"), Client, serve)
