"""A terminal in which commands run, as a reader of a page would have it: what they print is seen at once, and Ctrl-C ends them."""

import os
import pty
import re
import signal
import subprocess
import threading
import time


class Terminal:
    def __init__(self, commands, folder, environment, prefix):
        self.output = ""
        self.status = None
        self.changed = threading.Condition()
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe("env", ["env", *prefix, "bash", "-e", "-c", commands], environment)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while True:
            try:
                piece = os.read(self.descriptor, 65536)
            except OSError:  # EIO: everybody has closed the other end
                piece = b""
            with self.changed:
                if not piece:
                    self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
                else:
                    self.output += re.sub(r"\x1b\[[0-9;]*[A-Za-z]|\r", "", piece.decode(errors="replace"))
                self.changed.notify_all()
            if not piece:
                return

    def wait(self, until, seconds):
        """Whether `until()` came true in this time; it is asked whenever something was printed, and at the end."""
        limit = time.monotonic() + seconds
        with self.changed:
            while not until():
                left = limit - time.monotonic()
                if left <= 0 or self.status is not None:
                    return False
                self.changed.wait(left)
            return True

    def interrupt(self):
        os.write(self.descriptor, b"\x03")

    def end(self):
        """For whatever is left of a run that failed."""
        if self.status is None:
            os.killpg(self.pid, signal.SIGTERM)


class Network:
    """A network for the programs alone, so that their ports are free; where this machine allows none, they use its own."""

    def __init__(self):
        self.holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec cat"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        is_up = self.holder.stdout.readline() == "up\n"
        self.prefix = ["nsenter", "--net", "--target", str(self.holder.pid)] if is_up else []

    def close(self):
        self.holder.stdin.close()
        self.holder.wait()
