"""The scenario's DNS: a real dnsmasq whose records are changed, and a server of our own for what dnsmasq never does."""

import pathlib
import signal
import socket
import struct
import subprocess
import threading
import time


class DNSMasq:
    """Names under test: their addresses are a hosts file that dnsmasq reads again on SIGHUP."""

    def __init__(self, folder, address="127.0.0.1", port=53, arguments=()):
        self.hosts = pathlib.Path(folder) / f"hosts-{address}-{port}"
        self.hosts.touch()
        self.records = {}
        pathlib.Path(folder).chmod(0o755)
        self.process = subprocess.Popen(
            [
                "dnsmasq",
                "-k",
                "--no-resolv",
                "--no-hosts",
                "--conf-file=/dev/null",
                f"--listen-address={address}",
                f"--port={port}",
                "--bind-interfaces",
                "--local=/test/",
                "--local-ttl=5",
                f"--addn-hosts={self.hosts}",
                "--user=root",
                "--pid-file=",
                *arguments,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        probe.settimeout(0.1)
        for _ in range(100):
            try:
                probe.sendto(b"\0\1\1\0\0\1\0\0\0\0\0\0\5ready\4test\0\0\1\0\1", (address, port))
                probe.recv(512)
                break
            except OSError:
                time.sleep(0.02)
        else:
            raise RuntimeError("dnsmasq does not answer")
        probe.close()

    def publish(self, addresses, name="pods.test"):
        """Makes the name lead to these addresses and nowhere else; returns when that was."""
        self.records[name] = list(addresses)
        lines = [f"{address} {name}\n" for name, found in self.records.items() for address in found]
        # A new file in the old one's place: dnsmasq never reads half of it.
        fresh = self.hosts.with_suffix(".new")
        fresh.write_text("".join(lines))
        fresh.rename(self.hosts)
        self.process.send_signal(signal.SIGHUP)
        return time.monotonic()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)


class ScriptedDNS:
    """Answers by a function from (name, type) to a list of records, or to what a bad server does:

    None: never answers; "nxdomain", "servfail", "truncated" (TC over UDP, and nothing on TCP), "garbage", "wrong-type".
    A record is an address for A and AAAA, (priority, weight, port, target) for SRV, a text for TXT."""

    CODES = {"A": 1, "AAAA": 28, "SRV": 33, "TXT": 16}

    def __init__(self, answer, address="127.0.0.1", port=53):
        self.answer = answer
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((address, port))
        self._tcp = socket.create_server((address, port))
        threading.Thread(target=self._serve_udp, daemon=True).start()
        threading.Thread(target=self._serve_tcp, daemon=True).start()

    def _serve_udp(self):
        while True:
            question, client = self._udp.recvfrom(4096)
            reply = self._reply(question, 1232)
            if reply:
                self._udp.sendto(reply, client)

    def _serve_tcp(self):
        while True:
            connection, _ = self._tcp.accept()
            threading.Thread(target=self._serve_connection, args=(connection,), daemon=True).start()

    def _serve_connection(self, connection):
        with connection:
            connection.settimeout(10)
            try:
                while True:
                    size = connection.recv(2, socket.MSG_WAITALL)
                    if len(size) < 2:
                        return
                    question = connection.recv(struct.unpack(">H", size)[0], socket.MSG_WAITALL)
                    reply = self._reply(question, 65535)
                    if reply:
                        connection.sendall(struct.pack(">H", len(reply)) + reply)
            except OSError:
                return

    def _reply(self, question, limit):
        labels, place = [], 12
        while question[place]:
            labels.append(question[place + 1 : place + 1 + question[place]].decode())
            place += 1 + question[place]
        number = struct.unpack(">H", question[place + 1 : place + 3])[0]
        asked = question[12 : place + 5]
        kind = next((name for name, code in self.CODES.items() if code == number), str(number))
        records = self.answer(".".join(labels).lower(), kind)

        def head(code, count, flags=0x8580):
            return question[:2] + struct.pack(">HHHHH", flags | code, 1, count, 0, 0) + asked

        if records is None:
            return None
        if records == "nxdomain":
            return head(3, 0)
        if records == "servfail":
            return head(2, 0)
        if records == "truncated":
            return head(0, 0, 0x8780) if limit < 65535 else None
        if records == "garbage":
            return question[:2] + b"\x85\x80" + b"\xff" * 40
        if records == "wrong-type":
            text = struct.pack(">HHHIH", 0xC00C, 16, 1, 5, 5) + b"\4oops"
            return head(0, 1) + text
        body = b"".join(self._record(kind, record) for record in records)
        reply = head(0, len(records)) + body
        return reply if len(reply) <= limit else head(0, 0, 0x8780)

    def _record(self, kind, record):
        if kind == "SRV":
            priority, weight, port, target = record
            name = b"".join(bytes([len(part)]) + part.encode() for part in target.split(".")) + b"\0"
            data = struct.pack(">HHH", priority, weight, port) + name
        elif kind == "TXT":
            parts = [record.encode()[start : start + 255] for start in range(0, len(record), 255)]
            data = b"".join(bytes([len(part)]) + part for part in parts)
        else:
            data = socket.inet_pton(socket.AF_INET if kind == "A" else socket.AF_INET6, record)
        return struct.pack(">HHHIH", 0xC00C, self.CODES[kind], 1, 5, len(data)) + data
