"""Cases of our own: what has gone wrong between implementations in the field. volery-interop and the programs in Go and C++
have the same ones under the same names."""

import asyncio
import contextlib
import time

import messages
from cases import drain, expect, expect_failure, large, output_request, receive, total
from endpoint import CANCELLED, DEADLINE_EXCEEDED, FAILED_PRECONDITION, INVALID_ARGUMENT, Client, Failure
from messages import SimpleRequest, StreamingOutputCallRequest, payload
from service import ECHO_INITIAL, ECHO_TRAILING

BURST = 100_000


async def burst_up(client: Client, _: int) -> None:
    await total(client, [BURST] * 60)


async def burst_down(client: Client, _: int) -> None:
    await receive(client, [BURST] * 60)


async def burst_both(client: Client, _: int) -> None:
    async with client.stream(messages.DUPLEX_CALL) as stream:

        async def send() -> None:
            for _ in range(30):
                await stream.send(output_request([BURST] * 2, BURST))
            await stream.finish()

        sender = asyncio.create_task(send())
        received = await drain(stream)
        await sender
        expect(received == [BURST] * 60, f"{len(received)} responses")


async def burst_unary(client: Client, _: int) -> None:
    for _ in range(60):
        request = SimpleRequest(response_size=BURST, payload=payload(BURST))
        reply = await client.unary(messages.UNARY_CALL, request)
        expect(len(reply.message.payload.body) == BURST, "a response of the wrong size")


async def spaces_in_status(client: Client, _: int) -> None:
    status = messages.EchoStatus(code=INVALID_ARGUMENT, message=" spaces at both ends  ")
    call = client.unary(messages.UNARY_CALL, SimpleRequest(response_status=status))
    failure = await expect_failure(call, INVALID_ARGUMENT)
    expect(failure.message.strip(" ") == "spaces at both ends", repr(failure.message))


async def spaces_in_metadata(client: Client, _: int) -> None:
    metadata = ((ECHO_INITIAL, " spaces at both ends  "),)
    reply = await client.unary(messages.UNARY_CALL, SimpleRequest(), metadata=metadata)
    echo = [str(value).strip(" ") for key, value in reply.initial if key == ECHO_INITIAL]
    expect(echo == ["spaces at both ends"], f"{echo} came back")


async def metadata_8k(client: Client, _: int) -> None:
    """As much as a header list of 8 KiB takes beside what gRPC itself sends (PROTOCOL-HTTP2: the limit to suggest)."""
    metadata = ((ECHO_INITIAL, "v" * 3500), (ECHO_TRAILING, b"\xab" * 2550))
    reply = await client.unary(messages.UNARY_CALL, SimpleRequest(), metadata=metadata)
    expect(metadata[0] in reply.initial, "the initial metadata differs")
    expect(metadata[1] in reply.trailing, "the trailing metadata differs")


async def trailers_only(client: Client, _: int) -> None:
    for code in range(1, 17):
        status = messages.EchoStatus(code=code, message=f"code {code}")
        call = client.unary(messages.UNARY_CALL, SimpleRequest(response_status=status))
        await expect_failure(call, code, f"code {code}")


async def deadline(client: Client, _: int) -> None:
    async def call() -> None:
        async with client.stream(messages.DUPLEX_CALL, timeout=0.2) as stream:
            await stream.send(output_request([1], interval_us=10_000_000))
            await drain(stream)

    start = time.monotonic()
    await expect_failure(call(), DEADLINE_EXCEEDED)
    expect(time.monotonic() - start < 2, "a deadline of 200 ms took over 2 s")
    await large(client)


async def cancel_mid_stream(client: Client, _: int) -> None:
    for _ in range(5):
        async with client.stream(messages.OUTPUT_CALL) as stream:
            await stream.send(output_request([BURST] * 500))
            await stream.finish()
            for _ in range(3):
                expect(await stream.receive() is not None, "the responses end early")
            await stream.cancel()
            await expect_failure(drain(stream), CANCELLED)
    await large(client)


async def half_close_early(client: Client, _: int) -> None:
    async with client.stream(messages.DUPLEX_CALL) as stream:
        await stream.send(output_request([31415] * 5, interval_us=10_000))
        await stream.finish()
        expect(await drain(stream) == [31415] * 5, "the wrong responses")


async def server_ends_first(client: Client, _: int) -> None:
    async with client.stream(messages.DUPLEX_CALL) as stream:

        async def send() -> None:
            status = messages.EchoStatus(code=FAILED_PRECONDITION, message="enough")
            with contextlib.suppress(Failure):
                await stream.send(StreamingOutputCallRequest(response_status=status))
                for _ in range(100):
                    await stream.send(StreamingOutputCallRequest(payload=payload(BURST)))

        sender = asyncio.create_task(send())
        await expect_failure(drain(stream), FAILED_PRECONDITION, "enough")
        await sender
    await large(client)


async def rst(client: Client, _: int) -> None:
    for index in range(50):
        async with client.stream(messages.DUPLEX_CALL) as stream:
            await stream.send(output_request([9], 1000))
            if index % 2 == 0:
                await stream.receive()
            await stream.cancel()
    await large(client)


CASES = [
    burst_up,
    burst_down,
    burst_both,
    burst_unary,
    spaces_in_status,
    spaces_in_metadata,
    metadata_8k,
    trailers_only,
    deadline,
    cancel_mid_stream,
    half_close_early,
    server_ends_first,
    rst,
]
