"""What the cases and the service need of a gRPC implementation; each `peer_*.py` gives it for one."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from messages import Method

# Keys that end in -bin have bytes.
Pairs = Sequence[tuple[str, str | bytes]]

CANCELLED, UNKNOWN, INVALID_ARGUMENT, DEADLINE_EXCEEDED = 1, 2, 3, 4
NOT_FOUND, FAILED_PRECONDITION, UNIMPLEMENTED, UNAVAILABLE = 5, 9, 12, 14


@dataclass
class Failure(Exception):
    """A call that ended with another status than OK."""

    code: int
    message: str

    def __str__(self) -> str:
        return f"code {self.code} {self.message!r}"


class Unsupported(Exception):
    """The implementation lacks what a case is about."""


@dataclass
class Reply:
    message: Any
    initial: Pairs
    trailing: Pairs


class Stream(Protocol):
    """A call with streams. Sending and receiving may go on at once, in two tasks."""

    initial: Pairs
    trailing: Pairs

    async def send(self, message: Any) -> None: ...

    async def finish(self) -> None: ...

    async def receive(self) -> Any:
        """The next response; None after the last when the status is OK. Raises Failure otherwise."""

    async def cancel(self) -> None:
        """What is received after it raises Failure(CANCELLED)."""


class Client(Protocol):
    """One channel."""

    can_compress: bool

    async def unary(
        self, method: Method, request: Any, *, metadata: Pairs = (), timeout: float = 30, compress: bool = False
    ) -> Reply: ...

    def stream(
        self, method: Method, *, metadata: Pairs = (), timeout: float = 30, compress: bool = False
    ) -> AbstractAsyncContextManager[Stream]: ...

    async def close(self) -> None: ...


@dataclass
class Context:
    """A call as the service sees it. `initial` is sent with the first response, `trailing` at the end."""

    metadata: Pairs
    initial: list[tuple[str, str | bytes]] = field(default_factory=list)
    trailing: list[tuple[str, str | bytes]] = field(default_factory=list)
    compresses: bool = False


Responses = AsyncIterator[tuple[Any, bool]]
