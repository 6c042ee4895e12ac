"""How busy the machine was with other things: how late a thread wakes that only sleeps."""

import threading
import time


class StallMeter:
    STEP = 0.01

    def __init__(self):
        self.worst = 0.0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            before = time.monotonic()
            time.sleep(self.STEP)
            self.worst = max(self.worst, time.monotonic() - before - self.STEP)
