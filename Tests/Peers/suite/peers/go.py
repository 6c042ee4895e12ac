"""grpc-go of Debian."""

from typing import TYPE_CHECKING

from ..peer import Peer

if TYPE_CHECKING:
    from . import Programs


def make(programs: "Programs") -> Peer:
    return Peer("grpc-go", "grpc-go (Debian)", [str(programs.built / "peer-go")])
