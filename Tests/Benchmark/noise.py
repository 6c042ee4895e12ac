"""How quiet the machine is: a fixed piece of work, timed on the cores that the benchmark uses, before all else and before
every round. What takes longer than it took at its best is somebody else's: another program on the core, another guest on
its processor, a lower clock."""

import hashlib
import os
import pathlib
import statistics
import time

BLOCK = bytes(1 << 16)
# Of one spin: some milliseconds, which is more than a scheduler's tick and less than what a round would feel.
BLOCKS = 32
# Of one look: the median of a few is the clock and the neighbours, the mean what other programs take besides.
SPINS = 5
# Longer than at its best, in the mean, and still quiet.
QUIET = 0.05
# From here on nothing is measured, unless somebody insists: ratios of figures from different moments say nothing.
TOO_BUSY = 0.25


def stolen():
    """Seconds for which the processors ran other guests while they were wanted here (/proc/stat, "steal"); 0 where nobody counts."""
    words = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return int(words[8]) / os.sysconf("SC_CLK_TCK") if len(words) > 8 else 0.0


class Noise:
    """`look` says by how much the fixed work takes longer than at its best on this core; 0.03 is 3 %."""

    def __init__(self, cores, home):
        self.cores, self.home = cores, home
        """Where this process goes back to, whose children inherit its core."""
        self.best = {}
        self.looks = []
        self.looked, self.lost = time.monotonic(), stolen()

    def spin(self):
        began = time.perf_counter()
        for _ in range(BLOCKS):
            hashlib.sha256(BLOCK).digest()
        return time.perf_counter() - began

    def look(self, spins=SPINS):
        """On each core in turn; the worst of them, and what other guests have taken of a core since the look before."""
        worst = 0.0
        for core in self.cores:
            os.sched_setaffinity(0, {core})
            times = [self.spin() for _ in range(spins)]
            self.best[core] = min([self.best.get(core, times[0]), *times])
            worst = max(worst, statistics.mean(times) / self.best[core] - 1)
        os.sched_setaffinity(0, {self.home})
        now, lost = time.monotonic(), stolen()
        worst = max(worst, (lost - self.lost) / max(now - self.looked, 0.1))
        self.looked, self.lost = now, lost
        self.looks.append(worst)
        return worst

    def first(self, seconds=1.0):
        """Finds what the best is, and says how far the machine is from it before anything runs."""
        self.look(20)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look()
        return statistics.median(self.taken())

    def taken(self):
        """The looks since this was asked last."""
        looks, self.looks = self.looks, []
        return looks


def condition(looks):
    """Of a row, from what was seen before each of its rounds: "quiet", or by how much it was not."""
    if not looks:
        return "not looked at"
    middle = statistics.median(looks)
    return "quiet" if middle <= QUIET else f"busy: {middle:.0%}"
