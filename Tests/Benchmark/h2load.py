"""Load from nghttp2's h2load: the same bytes to every server."""

import pathlib
import re
import subprocess
import tempfile

from processes import LOAD_CORE, pinned


class Load:
    """POSTs `body` to a method (or GETs a file where there is no body), so many at once."""

    def __init__(self, path, body, connections, streams, answer=None, tls=False, core=LOAD_CORE):
        self.path, self.body, self.connections, self.streams, self.tls = path, body, connections, streams, tls
        self.core = core
        self.answer = answer
        """Bytes of DATA that each call has to bring, checked in every run; nil: not checked."""

    def run(self, port, calls):
        """Returns calls per second and the calls' times in microseconds, sorted."""
        calls = max(calls, self.connections * self.streams)
        with tempfile.TemporaryDirectory() as folder:
            log, body = pathlib.Path(folder, "log"), pathlib.Path(folder, "body")
            command = ["h2load", "-n", calls, "-c", self.connections, "-m", self.streams, "-t", 1,
                       f"--log-file={log}"]
            if self.body is not None:
                body.write_bytes(self.body)
                command += ["-d", body, "-H", "te: trailers", "-H", "content-type: application/grpc"]
            scheme = "https" if self.tls else "http"
            result = subprocess.run(
                pinned(self.core, [*command, f"{scheme}://127.0.0.1:{port}{self.path}"]),
                capture_output=True, text=True, timeout=120)
            self.check(result, calls)
            times = sorted(int(line.rsplit("\t", 1)[1]) for line in log.read_text().splitlines())
            seconds, unit = re.search(r"finished in ([\d.]+)(us|ms|s|m)", result.stdout).groups()
            return calls, calls / (float(seconds) * {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60}[unit]), times

    def check(self, result, calls):
        counted = re.search(r"(\d+) succeeded", result.stdout)
        if result.returncode or not counted or int(counted[1]) != calls:
            raise SystemExit(f"h2load {self.path}: not all calls succeeded:\n{result.stdout}{result.stderr}")
        data = int(re.search(r"\((\d+)\) data", result.stdout)[1])
        if self.answer is not None and data != self.answer * calls:
            raise SystemExit(f"h2load {self.path}: {data} bytes came, expected {self.answer} × {calls}")
