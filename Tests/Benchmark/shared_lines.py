#!/usr/bin/env python3
"""Which memory do event loops share? shared_lines.py VOLERY_BENCH [--loops 2] [--calls 400]

Runs the server under valgrind's lackey, which writes down every load and store, and its scheduler, which writes down whose
they are. Counted are the accesses, while h2load calls, to cache lines (64 bytes) that more than one loop's thread touches and at
least one of them writes: on a machine with many cores each of them can be a wait for another core, whether the threads mean
the same thing (sharing) or two things that lie side by side (false sharing). Lines that are only read are free. How often a line can
move is bounded by how often it is written, and by how often others than its busiest thread touch it; no more is counted.

Shows, a call, the accesses of all loops, how many of them can be such waits, and which functions make them."""

import argparse
import collections
import os
import pathlib
import re
import subprocess
import tempfile
import threading

from processes import free_port, listening
from wire import echo, method

LINE = 64
ACQUIRED = re.compile(r"SCHED\[(\d+)\]:  acquired lock")


class Trace:
    """Reads what valgrind writes: whose turn it is, and what it touches. `begin` starts to count."""

    def __init__(self, path):
        self.path = path
        self.counting = False
        self.accesses = collections.Counter()
        """Of each thread."""
        self.lines = {}
        """Of each line: by thread, loads and stores."""
        self.places = collections.Counter()
        """Of a line, a thread, an instruction and the last one of the program's own before it: how often. Only from when a line
        has a second thread."""

    def begin(self, own):
        """`own`: the addresses of the program's own code; a library's accesses are told by who called it."""
        self.own = own
        self.counting = True

    def read(self):
        thread, place, callers = 0, 0, {}
        lines, accesses, places = self.lines, self.accesses, self.places
        with open(self.path, errors="replace") as file:
            for text in file:
                kind = text[:3]
                if kind == "I  ":
                    if self.counting:
                        place = int(text[3:text.index(",")], 16)
                        if place in self.own:
                            callers[thread] = place
                elif kind in (" L ", " S ", " M "):
                    if not self.counting:
                        continue
                    line = int(text[3:text.index(",")], 16) // LINE
                    accesses[thread] += 1
                    touched = lines.get(line)
                    if touched is None:
                        touched = lines[line] = {}
                    counts = touched.get(thread)
                    if counts is None:
                        counts = touched[thread] = [0, 0]
                    counts[kind != " L "] += 1
                    if len(touched) > 1:
                        places[line, thread, place, callers.get(thread, 0)] += 1
                elif found := ACQUIRED.search(text):
                    thread = int(found[1])

    def shared(self, threads):
        """The lines that at least two of the threads touch and one writes."""
        for line, touched in self.lines.items():
            here = {thread: counts for thread, counts in touched.items() if thread in threads}
            if len(here) > 1 and any(stores for _, stores in here.values()):
                yield line, here


def text_section(program):
    """Where the code of an ELF file begins, and its size."""
    listing = subprocess.run(["readelf", "-SW", program], capture_output=True, text=True, check=True).stdout
    address, _, size = re.search(r" \.text +PROGBITS +(\w+) (\w+) (\w+)", listing).groups()
    return int(address, 16), int(size, 16)


class Symbols:
    """The function that an address is in, by the process's map of files."""

    def __init__(self, maps, program):
        self.files = []
        self.known = {}
        self.own = None
        for text in maps.splitlines():
            words = text.split(None, 5)
            if len(words) > 5 and "x" in words[1] and words[5].startswith("/"):
                begin, end = (int(one, 16) for one in words[0].split("-"))
                self.files.append((begin, end, begin - int(words[2], 16), words[5]))
                if words[5] == program:
                    # Without the stubs by which it calls libraries.
                    section, size = text_section(program)
                    self.own = range(begin - int(words[2], 16) + section, begin - int(words[2], 16) + section + size)

    def name(self, address):
        if address in self.known:
            return self.known[address]
        self.known[address] = hex(address)
        for begin, end, base, file in self.files:
            if begin <= address < end:
                found = subprocess.run(["addr2line", "-f", "-e", file, hex(address - base)], capture_output=True, text=True).stdout
                symbol = found.splitlines()[0] if found else "??"
                if symbol.startswith("$s"):
                    symbol = subprocess.run(
                        ["swift", "demangle", "--compact", "--simplified", symbol], capture_output=True, text=True).stdout.strip()
                self.known[address] = symbol if self.own and address in self.own else f"{symbol} ({pathlib.Path(file).name})"
        return self.known[address]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="volery-bench, built for release")
    parser.add_argument("--loops", type=int, default=2)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--functions", type=int, default=20)
    options = parser.parse_args()
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        pipe, body = f"{folder}/trace", pathlib.Path(folder, "body")
        os.mkfifo(pipe)
        body.write_bytes(echo(16))
        trace = Trace(pipe)
        reader = threading.Thread(target=trace.read)
        reader.start()
        process = subprocess.Popen(
            ["valgrind", "--tool=lackey", "--basic-counts=no", "--trace-mem=yes", "--trace-sched=yes", "--fair-sched=yes",
             f"--log-file={pipe}", os.path.abspath(options.program), "server", str(port), "--loops", str(options.loops)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            if not listening(process, port, seconds=300):
                raise SystemExit("the server does not listen under lackey")
            load(port, body, 64)
            symbols = Symbols(pathlib.Path(f"/proc/{process.pid}/maps").read_text(), os.path.realpath(options.program))
            trace.begin(symbols.own)
            load(port, body, options.calls)
            trace.counting = False
        finally:
            process.kill()
            process.wait()
            reader.join()
    show(trace, symbols, options)


def load(port, body, calls):
    result = subprocess.run(
        ["h2load", "-n", str(calls), "-c", "8", "-m", "8", "-t", "1", "-d", str(body), "-H", "te: trailers",
         "-H", "content-type: application/grpc", f"http://127.0.0.1:{port}{method('Unary')}"],
        capture_output=True, text=True, timeout=600)
    if f"{calls} succeeded" not in result.stdout:
        raise SystemExit(f"not all calls succeeded:\n{result.stdout}{result.stderr}")


def touches(here):
    return sum(sum(counts) for counts in here.values())


def possible_waits(here):
    """Each store takes the line from the others, who may each have to fetch it again; and it goes to and fro at most twice for each time
    that somebody else than its busiest thread touches it."""
    others = touches(here) - max(sum(counts) for counts in here.values())
    return min(len(here) * sum(stores for _, stores in here.values()), 2 * others)


def show(trace, symbols, options):
    threads = [thread for thread, _ in trace.accesses.most_common(options.loops)]
    lines = dict(trace.shared(threads))
    shares = {line: possible_waits(here) / touches(here) for line, here in lines.items()}
    waits = sum(possible_waits(here) for here in lines.values())
    total = sum(trace.accesses[thread] for thread in threads)
    print(f"accesses of {options.loops} loops, a call: {total / options.calls:,.0f} "
          f"({' and '.join(f'{trace.accesses[one] / total:.0%}' for one in threads)})")
    print(f"waits for another core, at most: {waits / options.calls:.1f}, on {len(lines)} lines")
    found, of_lines = collections.Counter(), collections.defaultdict(set)
    for (line, thread, place, caller), number in trace.places.items():
        if line in lines and thread in threads:
            found[place, caller] += number * shares[line]
            of_lines[place, caller].add(line)
    named, places = collections.Counter(), collections.defaultdict(set)
    for (place, caller), number in found.most_common(600):
        name = symbols.name(place) if place == caller else f"{symbols.name(place)}, for {symbols.name(caller)}"
        named[name] += number
        places[name] |= of_lines[place, caller]
    print("\n| waits a call, at most | lines | function |\n|---|---|---|")
    for name, number in named.most_common(options.functions):
        print(f"| {number / options.calls:.2f} | {len(places[name])} | {name} |")


if __name__ == "__main__":
    main()
