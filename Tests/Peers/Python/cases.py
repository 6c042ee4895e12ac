"""The cases of grpc/grpc doc/interop-test-descriptions.md, for whichever client. `field_cases.py` has ours."""

import asyncio
import contextlib
from collections.abc import Awaitable, Sequence
from typing import Any

import messages
from endpoint import (
    CANCELLED,
    DEADLINE_EXCEEDED,
    INVALID_ARGUMENT,
    UNIMPLEMENTED,
    UNKNOWN,
    Client,
    Failure,
    Unsupported,
)
from messages import ResponseParameters, SimpleRequest, StreamingInputCallRequest, StreamingOutputCallRequest, payload
from service import ECHO_INITIAL, ECHO_TRAILING

SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001f608\t\n"


def expect(condition: bool, text: str) -> None:
    if not condition:
        raise AssertionError(text)


async def expect_failure(call: Awaitable[Any], code: int, message: str | None = None) -> Failure:
    try:
        await call
    except Failure as failure:
        right = failure.code == code and message in (None, failure.message)
        expect(right, f"{failure} instead of code {code} {message or ''!r}")
        return failure
    raise AssertionError(f"succeeded instead of code {code}")


def output_request(sizes: Sequence[int], body: int = 0, interval_us: int = 0) -> Any:
    parameters = [ResponseParameters(size=size, interval_us=interval_us) for size in sizes]
    return StreamingOutputCallRequest(response_parameters=parameters, payload=payload(body))


async def large(client: Client, request: Any = None, **options: Any) -> Any:
    request = request or SimpleRequest()
    request.response_size, request.payload.body = 314159, bytes(271828)
    reply = await client.unary(messages.UNARY_CALL, request, **options)
    expect(len(reply.message.payload.body) == 314159, f"a payload of {len(reply.message.payload.body)} bytes")
    return reply


async def drain(stream: Any) -> list[int]:
    sizes = []
    while (response := await stream.receive()) is not None:
        sizes.append(len(response.payload.body))
    return sizes


async def total(client: Client, sizes: Sequence[int], **options: Any) -> None:
    async with client.stream(messages.INPUT_CALL, **options) as stream:
        for size in sizes:
            await stream.send(StreamingInputCallRequest(payload=payload(size)))
        await stream.finish()
        response = await stream.receive()
        expect(response is not None and await stream.receive() is None, "not one response")
        expect(response.aggregated_payload_size == sum(sizes), f"a sum of {response.aggregated_payload_size}")


async def receive(client: Client, sizes: Sequence[int]) -> None:
    async with client.stream(messages.OUTPUT_CALL) as stream:
        await stream.send(output_request(sizes))
        await stream.finish()
        received = await drain(stream)
        expect(received == list(sizes), f"{len(received)} responses: {received[:5]}")


async def empty_unary(client: Client, _: int) -> None:
    await client.unary(messages.EMPTY_CALL, messages.Empty())


async def large_unary(client: Client, _: int) -> None:
    await large(client)


async def concurrent_large_unary(client: Client, concurrent: int) -> None:
    await asyncio.gather(*(large(client, timeout=55) for _ in range(concurrent)))


async def client_streaming(client: Client, _: int) -> None:
    await total(client, [27182, 8, 1828, 45904])


async def server_streaming(client: Client, _: int) -> None:
    await receive(client, [31415, 9, 2653, 58979])


async def ping_pong(client: Client, _: int) -> None:
    async with client.stream(messages.DUPLEX_CALL) as stream:
        for size, answer in [(27182, 31415), (8, 9), (1828, 2653), (45904, 58979)]:
            await stream.send(output_request([answer], size))
            response = await stream.receive()
            expect(response is not None and len(response.payload.body) == answer, "the wrong response")
        await stream.finish()
        expect(await stream.receive() is None, "a response too many")


async def empty_stream(client: Client, _: int) -> None:
    async with client.stream(messages.DUPLEX_CALL) as stream:
        await stream.finish()
        expect(await stream.receive() is None, "a response without a request")


async def custom_metadata(client: Client, _: int) -> None:
    metadata = ((ECHO_INITIAL, "test_initial_metadata_value"), (ECHO_TRAILING, b"\xab\xab\xab"))
    reply = await large(client, metadata=metadata)
    expect(metadata[0] in reply.initial, f"initial metadata {reply.initial}")
    expect(metadata[1] in reply.trailing, f"trailing metadata {reply.trailing}")
    async with client.stream(messages.DUPLEX_CALL, metadata=metadata) as stream:
        await stream.send(output_request([314159], 271828))
        await stream.finish()
        expect(await drain(stream) == [314159], "the wrong response")
        expect(metadata[0] in stream.initial, f"initial metadata {stream.initial}")
        expect(metadata[1] in stream.trailing, f"trailing metadata {stream.trailing}")


async def _echo_status(client: Client, message: str) -> None:
    status = messages.EchoStatus(code=UNKNOWN, message=message)
    await expect_failure(client.unary(messages.UNARY_CALL, SimpleRequest(response_status=status)), UNKNOWN, message)
    async with client.stream(messages.DUPLEX_CALL) as stream:
        await stream.send(StreamingOutputCallRequest(response_status=status))
        await stream.finish()
        await expect_failure(drain(stream), UNKNOWN, message)


async def status_code_and_message(client: Client, _: int) -> None:
    await _echo_status(client, "test status message")


async def special_status_message(client: Client, _: int) -> None:
    await _echo_status(client, SPECIAL)


async def unimplemented_method(client: Client, _: int) -> None:
    await expect_failure(client.unary(messages.UNIMPLEMENTED_CALL, messages.Empty()), UNIMPLEMENTED)


async def unimplemented_service(client: Client, _: int) -> None:
    await expect_failure(client.unary(messages.UNIMPLEMENTED_SERVICE_CALL, messages.Empty()), UNIMPLEMENTED)


async def cancel_after_begin(client: Client, _: int) -> None:
    async with client.stream(messages.INPUT_CALL) as stream:
        await stream.cancel()
        await expect_failure(stream.receive(), CANCELLED)


async def cancel_after_first_response(client: Client, _: int) -> None:
    async with client.stream(messages.DUPLEX_CALL) as stream:
        await stream.send(output_request([31415], 27182))
        expect(await stream.receive() is not None, "no first response")
        await stream.cancel()
        await expect_failure(stream.receive(), CANCELLED)


async def timeout_on_sleeping_server(client: Client, _: int) -> None:
    async def call() -> None:
        async with client.stream(messages.DUPLEX_CALL, timeout=0.001) as stream:
            with contextlib.suppress(Failure):
                await stream.send(output_request([], 27182))
            await stream.receive()

    await expect_failure(call(), DEADLINE_EXCEEDED)


def _need_compression(client: Client) -> None:
    if not client.can_compress:
        raise Unsupported("the implementation does not compress")


async def client_compressed_unary(client: Client, _: int) -> None:
    _need_compression(client)

    def said(value: bool) -> Any:
        return SimpleRequest(expect_compressed=messages.BoolValue(value=value))

    try:
        await large(client, said(True))
    except Failure as failure:
        expect(failure.code == INVALID_ARGUMENT, f"{failure} instead of INVALID_ARGUMENT")
    else:
        raise Unsupported("the server does not check whether requests are compressed")
    await large(client, said(True), compress=True)
    await large(client, said(False))


async def client_compressed_streaming(client: Client, _: int) -> None:
    _need_compression(client)
    await total(client, [27182, 45904], compress=True)


async def server_compressed_unary(client: Client, _: int) -> None:
    _need_compression(client)
    for value in True, False:
        await large(client, SimpleRequest(response_compressed=messages.BoolValue(value=value)))


async def server_compressed_streaming(client: Client, _: int) -> None:
    _need_compression(client)
    request = output_request([31415, 92653])
    request.response_parameters[0].compressed.value = True
    async with client.stream(messages.OUTPUT_CALL) as stream:
        await stream.send(request)
        await stream.finish()
        expect(await drain(stream) == [31415, 92653], "the wrong responses")


CASES = [
    empty_unary,
    large_unary,
    concurrent_large_unary,
    client_streaming,
    server_streaming,
    ping_pong,
    empty_stream,
    custom_metadata,
    status_code_and_message,
    special_status_message,
    unimplemented_method,
    unimplemented_service,
    cancel_after_begin,
    cancel_after_first_response,
    timeout_on_sleeping_server,
    client_compressed_unary,
    client_compressed_streaming,
    server_compressed_unary,
    server_compressed_streaming,
]
