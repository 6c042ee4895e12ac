"""grpclib (PyPI), on python-h2."""

from typing import TYPE_CHECKING

from ..peer import Peer

if TYPE_CHECKING:
    from . import Programs


def make(programs: "Programs") -> Peer:
    command = [programs.python, str(programs.here / "Python/peer_grpclib.py")]
    return Peer("grpclib", "grpclib (PyPI), on python-h2", command, concurrent=100)
