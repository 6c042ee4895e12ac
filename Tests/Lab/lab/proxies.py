"""Proxies: volery-proxy between clients and pods, each on an address of its own."""

from .pods import Pod, name_of

PROXY_PORT = 50050


class Proxy(Pod):
    """Its target is the pods' name unless the case says otherwise. It says LISTENING, drains and ends as a pod does."""

    def __init__(self, program, address, target, flags):
        command = [program, "--listen", name_of(address, PROXY_PORT), "--target", target, *flags]
        super().__init__(command, [address], PROXY_PORT, "proxy")
