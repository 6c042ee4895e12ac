"""The peers by name; each has a file."""

import pathlib
from collections.abc import Callable
from dataclasses import dataclass

from ..peer import Peer
from . import connectrpc, cpp, go, grpcio, grpclib, volery


@dataclass(frozen=True)
class Programs:
    """Where things are."""

    volery: str
    python: str
    built: pathlib.Path
    here: pathlib.Path


MAKERS: dict[str, Callable[[Programs], Peer]] = {
    "volery": volery.make,
    "grpcio": grpcio.make,
    "grpc-go": go.make,
    "grpc-c++": cpp.make,
    "grpclib": grpclib.make,
    "connectrpc": connectrpc.make,
}
# What needs no long compiling: it belongs to the tests.
QUICK = ["volery", "grpcio", "grpc-go", "grpclib", "connectrpc"]
