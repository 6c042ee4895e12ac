#!/usr/bin/env python3
"""Asks the paths of Examples/Front, and looks at its page in a browser without a window: `make front`.

    check.py FRONT POD [--browser CHROMIUM] [--picture FILE]

Five pods, and the front before them. /ok, /fail and /stream are asked from outside; then what a person would see: a row for each pod,
bars as long as the shares of the numbers beside them, a pod that comes and one that goes without the page being loaded again, a name
that is markup as text, the answers of the page's own buttons. A message on the browser's console but that of /fail, or a request for
anything else, fails it. A pod's answers and the page's counts have to agree.
"""

import argparse
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

HOSTILE = "<img src=x onerror=\"window.owned=1\">"
LIMIT = 30_000


class Stage:
    """Pods on ports that the system chooses, and a file that names them."""

    def __init__(self, front, pod, folder):
        self.pod, self.file, self.processes, self.ports = pod, Path(folder) / "pods.json", {}, {}
        for number in range(1, 6):
            self.add(f"pod-{number}")
        self.front = subprocess.Popen(
            [front, f"file://{self.file}", "--port", "0", "--rate", "100"], stdout=subprocess.PIPE, text=True)
        self.url = self.front.stdout.readline().removeprefix("LISTENING ").strip()
        assert self.url.startswith("http://127.0.0.1:"), self.url

    def add(self, name):
        process = subprocess.Popen([self.pod, "--port", "0", "--name", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.processes[name] = process
        self.ports[name] = int(process.stdout.readline().rsplit(":", 1)[1])
        self.write()

    def remove(self, name):
        """As a rollout does: out of the names, then SIGTERM."""
        del self.ports[name]
        self.write()
        process = self.processes.pop(name)
        process.terminate()
        assert process.wait(timeout=30) == 0

    def write(self):
        text = json.dumps({"endpoints": [f"127.0.0.1:{port}" for port in self.ports.values()]})
        whole = self.file.with_suffix(".new")
        whole.write_text(text)
        whole.rename(self.file)

    def stop(self):
        for process in [self.front, *self.processes.values()]:
            process.kill()
            process.wait()

    # HTTP

    def ask(self, path):
        connection = http.client.HTTPConnection(self.url.split("/")[2], timeout=10)
        connection.request("GET", path)
        return connection.getresponse()

    def paths(self):
        answer = self.ask("/ok")
        assert answer.status == 200 and json.load(answer)["pod"].startswith("pod-")
        answer = self.ask("/fail")
        assert answer.status == 400 and json.load(answer)["code"] == "FAILED_PRECONDITION"
        answer = self.ask("/stream")
        times, lines = [], []
        while line := answer.readline():
            times.append(time.monotonic())
            lines.append(json.loads(line))
        assert [line["number"] for line in lines] == list(range(1, 11)) and len({line["pod"] for line in lines}) == 1, lines
        # One pod answers every 100 ms: what comes at once has been held back.
        assert times[-1] - times[0] > 0.5, times
        assert self.ask("/healthz").status == 200 and self.ask("/nowhere").status == 404
        print("/ok, /fail, /stream: as they should be")
        # Readers that go away in the middle are no failures of pods, and the front goes on.
        for _ in range(20):
            gone = self.ask("/stream")
            gone.readline()
            gone.close()
        before = json.load(self.ask("/calls.json"))
        for _ in range(50):
            assert self.ask("/ok").status == 200
        after = json.load(self.ask("/calls.json"))
        assert [f["calls"] for f in before["failures"]] == [f["calls"] for f in after["failures"]] == [1], after["failures"]
        counts = [sum(pod["calls"] for pod in report["pods"]) for report in (before, after)]
        assert counts[1] - counts[0] >= 50, counts

    def shares(self):
        pods = json.load(self.ask("/calls.json"))["pods"]
        total = sum(pod["recent"] for pod in pods)
        return {pod["name"]: pod["recent"] / total for pod in pods}


class Page:
    def __init__(self, page, stage):
        self.page, self.stage, self.rows = page, stage, page.locator("#pods tr")

    def wait(self, name, is_called):
        self.page.wait_for_function(
            """([name, isCalled]) => [...document.querySelectorAll("#pods tr")].some((row) =>
              row.querySelector("th").textContent === name
              && (row.querySelector(".percent").textContent !== "quiet") === isCalled)""",
            arg=[name, is_called], timeout=LIMIT)

    def bars(self):
        rows = self.page.evaluate(
            """() => [...document.querySelectorAll("#pods tr.pod:not(.quiet)")].map((row) => [row.querySelector("th").textContent,
              parseFloat(row.querySelector(".fill").style.width), parseFloat(row.querySelector(".percent").textContent)])""")
        assert abs(sum(width for _, width, _ in rows) - 100) < 0.5, rows
        assert all(abs(width - percent) < 0.06 for _, width, percent in rows), rows
        return {name: percent for name, _, percent in rows}

    def run(self):
        page, stage = self.page, self.stage
        expect(self.rows).to_have_count(5, timeout=LIMIT)
        page.evaluate("window.stillHere = true")
        # Ten seconds of 100 calls a second, of which each of five pods has its share.
        page.wait_for_timeout(11_000)
        shares = self.bars()
        print("five pods:", ", ".join(f"{name} {share} %" for name, share in shares.items()))
        assert all(15 < share < 25 for share in shares.values()), shares
        stage.add(HOSTILE)
        self.wait(HOSTILE, True)
        assert page.evaluate("window.owned === undefined") and page.locator("main img").count() == 0
        print("a pod whose name is markup comes without loading again, as text")
        stage.remove("pod-1")
        self.wait("pod-1", False)
        self.bars()
        assert page.evaluate("window.stillHere === true"), "the page was loaded again"
        print("one that is gone is quiet")
        for path, part in (("/ok", "HTTP 200"), ("/fail", "HTTP 400"), ("/stream", '"number":10')):
            page.get_by_role("button", name=f"GET {path}").click()
            expect(page.locator("#answer")).to_contain_text(part, timeout=LIMIT)
        expect(page.locator("#failures th")).to_have_text(["FAILED_PRECONDITION"], timeout=LIMIT)

    def ends(self):
        expect(self.page.locator("#pulse")).to_contain_text("no answer", timeout=LIMIT)


def draw(browser, options):
    """What Docs/Demos.md shows: a rollout that has begun."""
    with tempfile.TemporaryDirectory(prefix="pods-") as folder:
        stage = Stage(options.front, options.pod, folder)
        try:
            page = browser.new_page(viewport={"width": 900, "height": 860})
            page.goto(stage.url)
            look = Page(page, stage)
            page.wait_for_timeout(8_000)
            stage.add("pod-6")
            look.wait("pod-6", True)
            stage.remove("pod-1")
            look.wait("pod-1", False)
            stage.add("pod-7")
            page.get_by_role("button", name="GET /stream").click()
            page.wait_for_timeout(4_000)
            page.screenshot(path=options.picture)
        finally:
            stage.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("front")
    parser.add_argument("pod")
    parser.add_argument("--browser", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--picture", help="where the picture goes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        stage = Stage(options.front, options.pod, folder)
        try:
            stage.paths()
            # A browser's own sandbox wants more than root has in a container; what it loads is ours.
            browser = playwright.chromium.launch(executable_path=options.browser, args=["--no-sandbox"] if os.geteuid() == 0 else [])
            page = browser.new_page(viewport={"width": 900, "height": 900})
            complaints, requests = [], set()
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda request: requests.add(request.url.removeprefix(stage.url)))
            page.goto(stage.url)
            look = Page(page, stage)
            look.run()
            assert all("400" in text for text in complaints) and len(complaints) == 1, complaints
            assert requests == {"", "calls.json", "ok", "fail", "stream"}, requests
            stage.front.send_signal(signal.SIGTERM)
            assert stage.front.wait(timeout=30) == 0
            look.ends()
            if options.picture:
                draw(browser, options)
            browser.close()
        finally:
            stage.stop()
    print("the front is as it should be")


if __name__ == "__main__":
    sys.exit(main())
