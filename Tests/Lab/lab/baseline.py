"""How busy the machine is with other things: an echo, two processes that do nothing but ask and answer each 20 ms.

An answer's delay counts from when its question was due: a late sleeper, a late answerer and a late reader all show."""

import os
import pathlib
import socket
import struct
import subprocess
import sys
import time

STEP = 0.02
SAMPLE = struct.Struct("dd")


class Baseline:
    def __init__(self, folder):
        self._path = pathlib.Path(folder) / "echoes"
        self._path.touch()
        subprocess.Popen([sys.executable, __file__, str(self._path)], stdin=subprocess.DEVNULL)

    def worst(self, since=0.0):
        """The longest delay of an answer that was due since then, in seconds; what is still waited for counts too."""
        data = self._path.read_bytes()
        samples = list(SAMPLE.iter_unpack(data[: len(data) // SAMPLE.size * SAMPLE.size]))
        waiting = time.monotonic() - samples[-1][0] - STEP if samples else 0.0
        return max([waiting, *(delay for due, delay in samples if due >= since)])


def answer(connection):
    while question := connection.recv(64):
        connection.sendall(question)


def ask(connection, path):
    due = time.monotonic()
    with open(path, "ab", buffering=0) as file:
        while True:
            time.sleep(max(0, due - time.monotonic()))
            connection.sendall(b"?")
            connection.recv(64)
            file.write(SAMPLE.pack(due, time.monotonic() - due))
            due = max(due + STEP, time.monotonic())


def main():
    here, there = socket.socketpair()
    if os.fork() == 0:
        here.close()
        answer(there)
        return
    there.close()
    ask(here, sys.argv[1])


if __name__ == "__main__":
    main()
