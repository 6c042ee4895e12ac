"""Cases of the services that tools and probes ask, grpc.health.v1 and grpc.reflection: volery-interop has the same ones."""

from typing import Any

import messages
from cases import expect, expect_failure
from endpoint import CANCELLED, INVALID_ARGUMENT, NOT_FOUND, Client

SERVING, SERVICE_UNKNOWN = 1, 3
HealthCheckRequest = messages.CHECK.request
Ask = messages.REFLECTION.request


async def health_check(client: Client, _: int) -> None:
    reply = await client.unary(messages.CHECK, HealthCheckRequest())
    expect(reply.message.status == SERVING, f"the server as a whole is {reply.message.status}")
    await expect_failure(client.unary(messages.CHECK, HealthCheckRequest(service="no.such.Service")), NOT_FOUND)


async def health_list(client: Client, _: int) -> None:
    reply = await client.unary(messages.LIST, messages.LIST.request())
    expect(reply.message.statuses[""].status == SERVING, f"{reply.message} without the server as a whole")


async def health_watch(client: Client, _: int) -> None:
    for name, status in [("", SERVING), ("no.such.Service", SERVICE_UNKNOWN)]:
        async with client.stream(messages.WATCH) as stream:
            await stream.send(HealthCheckRequest(service=name))
            await stream.finish()
            first = await stream.receive()
            expect(first is not None and first.status == status, f"{name!r} is {first}")
            await client.unary(messages.CHECK, HealthCheckRequest())
            await stream.cancel()
            await expect_failure(stream.receive(), CANCELLED)


async def server_reflection(client: Client, _: int) -> None:
    for version in "v1", "v1alpha":
        # The messages of both are the same on the wire.
        await _reflection(client, messages.REFLECTION._replace(service=f"grpc.reflection.{version}.ServerReflection"))


async def _reflection(client: Client, method: messages.Method) -> None:
    async with client.stream(method) as stream:

        async def ask(**question: Any) -> Any:
            request = Ask(host="here", **question)
            await stream.send(request)
            answer = await stream.receive()
            expect(answer is not None and answer.original_request == request, f"{answer} to {request}")
            expect(answer.valid_host == "here", f"the host is {answer.valid_host!r}")
            return answer

        services = [service.name for service in (await ask(list_services="")).list_services_response.service]
        expect("grpc.testing.TestService" in services, f"the services are {services}")
        expect((await ask(file_containing_symbol="no.such.Symbol")).error_response.error_code == NOT_FOUND, "a symbol")
        expect((await ask()).error_response.error_code == INVALID_ARGUMENT, "a question that asks for nothing")
        # The stream goes on. Methods are symbols, too.
        for symbol in "grpc.testing.TestService", "grpc.testing.TestService.UnaryCall", "grpc.testing.SimpleRequest":
            files = (await ask(file_containing_symbol=symbol)).file_descriptor_response.file_descriptor_proto
            expect(len(files) > 0, f"no file for {symbol}")
        await stream.finish()
        expect(await stream.receive() is None, "an answer without a question")


CASES = [health_check, health_list, health_watch, server_reflection]
