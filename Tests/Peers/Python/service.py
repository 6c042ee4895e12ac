"""grpc.testing.TestService, for whichever implementation carries it. A status other than OK is a raised Failure."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import messages
from endpoint import Context, Failure, Responses

ECHO_INITIAL, ECHO_TRAILING = "x-grpc-test-echo-initial", "x-grpc-test-echo-trailing-bin"


def _begin(context: Context) -> None:
    for key, value in context.metadata:
        if key == ECHO_INITIAL:
            context.initial.append((key, value))
        elif key == ECHO_TRAILING:
            context.trailing.append((key, value))


def _check(status: Any) -> None:
    if status.code:
        raise Failure(status.code, status.message)


async def empty_call(request: Any, context: Context) -> Any:
    _begin(context)
    return messages.Empty()


async def unary_call(request: Any, context: Context) -> Any:
    _begin(context)
    _check(request.response_status)
    context.compresses = request.response_compressed.value
    response = messages.SimpleResponse(payload=messages.payload(request.response_size))
    if request.fill_server_id:
        response.server_id = "python"
    return response


async def _answer(request: Any, context: Context) -> Responses:
    """The responses, and whether each is to be compressed."""
    _check(request.response_status)
    context.compresses = any(parameters.compressed.value for parameters in request.response_parameters)
    for parameters in request.response_parameters:
        if parameters.interval_us:
            await asyncio.sleep(parameters.interval_us / 1e6)
        response = messages.StreamingOutputCallResponse(payload=messages.payload(parameters.size))
        yield response, parameters.compressed.value


async def streaming_output_call(request: Any, context: Context) -> Responses:
    _begin(context)
    async for response in _answer(request, context):
        yield response


async def streaming_input_call(requests: AsyncIterator[Any], context: Context) -> Any:
    _begin(context)
    total = 0
    async for request in requests:
        total += len(request.payload.body)
    return messages.StreamingInputCallResponse(aggregated_payload_size=total)


async def full_duplex_call(requests: AsyncIterator[Any], context: Context) -> Responses:
    _begin(context)
    async for request in requests:
        async for response in _answer(request, context):
            yield response


# By the schema's name of the method; the kinds are those of the schema.
HANDLERS = {
    "EmptyCall": empty_call,
    "UnaryCall": unary_call,
    "StreamingOutputCall": streaming_output_call,
    "StreamingInputCall": streaming_input_call,
    "FullDuplexCall": full_duplex_call,
}


def implemented() -> list[tuple[messages.Method, Any]]:
    return [(messages.METHODS[f"TestService.{name}"], handler) for name, handler in HANDLERS.items()]
