"""gRPC C++ of Debian."""

from typing import TYPE_CHECKING

from ..peer import Peer

if TYPE_CHECKING:
    from . import Programs


def make(programs: "Programs") -> Peer:
    return Peer("grpc-c++", "gRPC C++ (Debian)", [str(programs.built / "cpp/peer-cpp")])
