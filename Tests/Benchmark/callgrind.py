"""Runs a command under callgrind and reads what it wrote: instructions by function and by library, and allocations.

What a program does once (start, first connection) drops out by the difference of two runs that do more or less of the same."""

import collections
import pathlib
import re
import signal
import subprocess

# C++'s operator new and Swift's allocator end here too.
ALLOCATORS = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"}
NAME = re.compile(r"^\((\d+)\)(?: (.*))?$")


class Profile:
    """Instructions and allocations of one run, or of the difference of two, divided by what the difference did."""

    def __init__(self):
        self.instructions = 0.0
        self.allocations = 0.0
        self.functions = collections.Counter()
        self.libraries = collections.Counter()

    def per(self, other, count):
        """What each of the `count` things cost that `other` did more than this run."""
        result = Profile()
        result.instructions = (other.instructions - self.instructions) / count
        result.allocations = (other.allocations - self.allocations) / count
        for name in ("functions", "libraries"):
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(result, name, collections.Counter(
                {key: (theirs[key] - mine[key]) / count for key in theirs.keys() | mine.keys()}))
        return result


def read(path):
    """A callgrind.out file (format: valgrind manual, "Callgrind Format Specification"), of one event, Ir."""
    names = {"fn": {}, "ob": {}}

    def name(kind, text):
        number, given = NAME.match(text).groups()
        if given is not None:
            names[kind][number] = given
        return names[kind][number]

    profile = Profile()
    function = library = callee = None
    inclusive = False
    for line in pathlib.Path(path).open():
        first = line[0]
        if first in "0123456789+-*":
            if inclusive:  # The line after calls=: what the callee cost, which is counted where it is its own.
                inclusive = False
                continue
            cost = int(line.split()[1])
            profile.instructions += cost
            profile.functions[function] += cost
            profile.libraries[library] += cost
        elif line.startswith("fn="):
            function = name("fn", line[3:].strip())
        elif line.startswith("ob="):
            library = pathlib.Path(name("ob", line[3:].strip())).name
        elif line.startswith("cfn="):
            callee = name("fn", line[4:].strip())
        elif line.startswith("cob="):
            name("ob", line[4:].strip())
        elif line.startswith("calls="):
            inclusive = True
            if callee.split("'")[0].split("@")[0] in ALLOCATORS:
                profile.allocations += int(line[6:].split()[0])
    return profile


def start(command, output, into=subprocess.PIPE):
    """Starts the command; `finish` ends it. `into`: where its standard output goes."""
    pathlib.Path(output).unlink(missing_ok=True)
    tool = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={output}", "--fair-sched=try"]
    return subprocess.Popen(tool + command, stdout=into, stderr=subprocess.STDOUT, text=True)


def finish(process, output, stop=False, limit=120, ended=(0,)):
    """Waits for the end, after SIGTERM where `stop` says so, and reads the profile. `ended`: the exit codes that are right."""
    if stop:
        process.send_signal(signal.SIGTERM)
    try:
        text, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        raise SystemExit(f"{process.args} did not end within {limit} s")
    if process.returncode not in ended:
        raise SystemExit(f"{process.args} failed:\n{(text or '')[-4000:]}")
    return read(output)
