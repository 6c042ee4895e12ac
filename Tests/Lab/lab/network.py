"""The scenario's own network: a loopback device, a resolv.conf, faults, and what was seen on the wire.

Everything here runs inside a mount, network and process namespace that ends with the scenario."""

import ctypes
import pathlib
import socket
import struct
import subprocess
import threading
import time

from collections import namedtuple

Query = namedtuple("Query", "time name type")
Opening = namedtuple("Opening", "time source port address target sequence")  # a SYN
Closing = namedtuple("Closing", "time source port address target")  # a FIN or RST, from whichever end

TYPES = {1: "A", 28: "AAAA", 33: "SRV", 16: "TXT"}


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Unavailable(Exception):
    """This machine can't do what the scenario needs."""


class Network:
    def __init__(self, folder):
        self.resolv = pathlib.Path(folder) / "resolv.conf"
        ip("link", "set", "lo", "up")
        self.set_resolv("nameserver 127.0.0.1\n")
        place = pathlib.Path("/etc/resolv.conf").resolve()
        subprocess.run(["mount", "--bind", str(self.resolv), str(place)], check=True)
        self._holes = {}
        self.wire = Wire()

    def set_resolv(self, text):
        # In place: a bind mount shows the file, not the name.
        self.resolv.write_text(text)

    def add_address(self, address):
        # Without a test for duplicates, until which nobody can listen there: a busy kernel takes its time.
        length, flags = (128, ["nodad"]) if ":" in address else (32, [])
        ip("addr", "add", f"{address}/{length}", "dev", "lo", *flags)

    def open_hole(self, address):
        """From now on every packet from or to the address is lost without a word."""
        priority = 10 + len(self._holes)
        number = int.from_bytes(socket.inet_aton(address), "big")
        # Classic BPF: is this IPv4, and is the destination or the source that address? Then drop (2), else go on (-1).
        program = [
            (0x28, 0, 0, 12),
            (0x15, 0, 5, 0x0800),
            (0x20, 0, 0, 30),
            (0x15, 2, 0, number),
            (0x20, 0, 0, 26),
            (0x15, 0, 1, number),
            (0x06, 0, 0, 2),
            (0x06, 0, 0, 0xFFFFFFFF),
        ]
        code = f"{len(program)}," + ",".join("%d %d %d %d" % line for line in program) + ","
        filter_command = [
            "filter",
            "add",
            "dev",
            "lo",
            "ingress",
            "prio",
            str(priority),
            "bpf",
            "da",
            "bytecode",
            code,
        ]
        for words in ([] if self._holes else [["qdisc", "replace", "dev", "lo", "clsact"]]) + [filter_command]:
            made = subprocess.run(["tc", *words], capture_output=True, text=True)
            if made.returncode != 0:
                raise Unavailable(f"the kernel has no filter that drops packets: {made.stderr.strip()}")
        self._holes[address] = priority

    def close_hole(self, address):
        priority = self._holes.pop(address)
        command = ["tc", "filter", "del", "dev", "lo", "ingress", "prio", str(priority)]
        subprocess.run(command, check=True, capture_output=True)

    @staticmethod
    def connections(address, port=50051, states=("01",)):
        """The local ports of this network's connections to an IPv4 address (states as in /proc/net/tcp: 01 established,
        02 SYN sent)."""
        wanted = "%08X:%04X" % (struct.unpack("<I", socket.inet_aton(address))[0], port)
        found = set()
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[2] == wanted and fields[3] in states:
                found.add(int(fields[1].split(":")[1], 16))
        return found


class Wire:
    """Watches the loopback device: DNS questions, and connections that are opened and closed, with the kernel's time stamps.
    """

    def __init__(self):
        self.queries = []
        self.openings = []
        self.closings = []
        ETH_P_ALL = 3
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        program = self._program()
        buffer = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in program))
        header = struct.pack("HL", len(program), ctypes.addressof(buffer))
        SO_ATTACH_FILTER, SO_TIMESTAMPNS = 26, 35
        self._socket.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, header)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        SO_RCVBUFFORCE = 33  # the laboratory is root
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self._socket.bind(("lo", 0))
        threading.Thread(target=self._run, daemon=True).start()

    @staticmethod
    def _program():
        """Outgoing packets only (the device shows each of them twice); of those UDP to port 53 and TCP's SYNs, FINs and RSTs."""
        lines = [
            ("load", 0x20, 0xFFFFF004),  # packet type
            ("unless", 4, "no"),
            ("load", 0x28, 0xFFFFF000),  # protocol
            ("if", 0x0800, "v4"),
            ("unless", 0x86DD, "no"),
            ("load", 0x30, 6),  # next header
            ("if", 17, "udp6"),
            ("unless", 6, "no"),
            ("load", 0x30, 53),
            ("jump", "flags"),
            ("label", "udp6"),
            ("load", 0x28, 42),
            ("if", 53, "yes"),
            ("jump", "no"),
            ("label", "v4"),
            ("load", 0xB1, 0),  # X = length of the IP header
            ("load", 0x30, 9),
            ("if", 17, "udp4"),
            ("unless", 6, "no"),
            ("load", 0x50, 13),
            ("jump", "flags"),
            ("label", "udp4"),
            ("load", 0x48, 2),
            ("if", 53, "yes"),
            ("jump", "no"),
            ("label", "flags"),
            ("any", 0x05, "yes"),  # FIN | RST
            ("load", 0x54, 0x12),  # A &= SYN | ACK
            ("unless", 2, "no"),
            ("label", "yes"),
            ("load", 0x06, 65535),
            ("label", "no"),
            ("load", 0x06, 0),
        ]
        places, code = {}, []
        for line in lines:
            if line[0] == "label":
                places[line[1]] = len(code)
            else:
                code.append(line)
        program = []
        for index, line in enumerate(code):
            if line[0] == "load":
                program.append((line[1], 0, 0, line[2]))
            elif line[0] == "jump":
                program.append((0x05, 0, 0, places[line[1]] - index - 1))
            else:
                distance = places[line[2]] - index - 1
                jumps = (0, distance) if line[0] == "unless" else (distance, 0)
                program.append((0x45 if line[0] == "any" else 0x15, *jumps, line[1]))
        return program

    def _run(self):
        while True:
            packet, ancillary, _, _ = self._socket.recvmsg(65536, 256)
            offset = time.monotonic() - time.time()
            when = time.monotonic()
            for level, kind, data in ancillary:
                if level == socket.SOL_SOCKET and kind == 35:
                    seconds, nanoseconds = struct.unpack("ll", data[:16])
                    when = seconds + nanoseconds / 1e9 + offset
            try:
                self._take(packet, when)
            except (IndexError, struct.error, UnicodeDecodeError):
                continue  # Not a packet that a scenario asks about.

    def _take(self, packet, when):
        if packet[0] >> 4 == 4:
            length, protocol = (packet[0] & 15) * 4, packet[9]
            source, target = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
        else:
            length, protocol = 40, packet[6]
            source = socket.inet_ntop(socket.AF_INET6, packet[8:24])
            target = socket.inet_ntop(socket.AF_INET6, packet[24:40])
        ports = struct.unpack(">HH", packet[length : length + 4])
        if protocol == 6:
            is_end = packet[length + 13] & 0x05
            ends = (when, source, ports[0], target, ports[1])
            if is_end:
                self.closings.append(Closing(*ends))
            else:
                self.openings.append(Opening(*ends, packet[length + 4 : length + 8]))
            return
        question, labels, place = packet[length + 8 :], [], 12
        while question[place]:
            labels.append(question[place + 1 : place + 1 + question[place]].decode())
            place += 1 + question[place]
        number = struct.unpack(">H", question[place + 1 : place + 3])[0]
        self.queries.append(Query(when, ".".join(labels).lower(), TYPES.get(number, str(number))))

    def queries_of(self, kind="A", since=0.0, name="pods.test"):
        return [
            query for query in list(self.queries) if query.type == kind and query.time >= since and query.name == name
        ]

    def openings_to(self, port=50051, since=0.0, address=None):
        """Connections that were begun; a SYN that is sent again counts once (a port that is used again does not)."""
        seen, found = set(), []
        for opening in list(self.openings):
            key = (opening.source, opening.port, opening.address, opening.sequence)
            if opening.target != port or key in seen:
                continue
            seen.add(key)
            if opening.time >= since and address in (None, opening.address):
                found.append(opening)
        return found

    def closed(self, port=50051):
        """How many of the connections to that port either end has closed or reset."""
        ends = set()
        for closing in list(self.closings):
            if closing.target == port:
                ends.add((closing.source, closing.port, closing.address))
            elif closing.port == port:
                ends.add((closing.address, closing.target, closing.source))
        return len(ends)
