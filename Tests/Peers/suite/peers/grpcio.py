"""gRPC C-core by grpcio (PyPI), asyncio."""

from typing import TYPE_CHECKING

from ..peer import Peer

if TYPE_CHECKING:
    from . import Programs


def make(programs: "Programs") -> Peer:
    command = [programs.python, str(programs.here / "Python/peer_grpcio.py")]
    return Peer("grpcio", "gRPC C-core by grpcio (PyPI), asyncio", command, concurrent=1000)
