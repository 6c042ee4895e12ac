"""connectrpc (PyPI): client on pyqwest, server on hypercorn."""

from typing import TYPE_CHECKING

from ..peer import Peer

if TYPE_CHECKING:
    from . import Programs


def make(programs: "Programs") -> Peer:
    command = [programs.python, str(programs.here / "Python/peer_connectrpc.py")]
    return Peer("connectrpc", "connectrpc (PyPI): client on pyqwest, server on hypercorn", command, concurrent=100)
