#!/usr/bin/env python3
"""Looks at the status page of Examples/StatusPage in a browser without a window: `make status-page`.

    check.py PROGRAM [--browser CHROMIUM] [--picture FILE]

It starts the program with one more channel, whose target is markup, and looks at what a person would see: bars as long as the
shares of the numbers beside them, pods that come and go without the page being loaded again, names as text, both themes, the
keyboard. A message on the browser's console, and a request for anything but the page and its JSON, fail it.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time

from playwright.sync_api import expect, sync_playwright

HOSTILE = "unix:/tmp/<img src=x onerror=\"window.owned=1\"><script>window.owned=1</script>"
LIMIT = 30_000


def contrast(page, selector):
    """The least contrast of text to what is behind it, by WCAG 2."""
    return page.evaluate(
        """(selector) => {
          const parse = (color) => (color.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
          const light = ([r, g, b]) => {
            const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * x + 0.7152 * y + 0.0722 * z;
          };
          let least = 21;
          for (const element of document.querySelectorAll(selector)) {
            if (!element.textContent.trim() || !element.checkVisibility()) continue;
            let ground = element;
            while (ground && (parse(getComputedStyle(ground).backgroundColor)[3] ?? 1) === 0) ground = ground.parentElement;
            const [a, b] = [parse(getComputedStyle(element).color), parse(getComputedStyle(ground ?? document.body).backgroundColor)]
              .map(light).sort((x, y) => y - x);
            least = Math.min(least, (a + 0.05) / (b + 0.05));
          }
          return least;
        }""",
        selector,
    )


class Check:
    def __init__(self, page, program, url):
        self.page, self.program, self.url = page, program, url
        self.channel = page.locator("article.channel").first
        self.rows = self.channel.locator("tbody tr.endpoint")

    def say(self, line):
        self.program.stdin.write(line + "\n")
        self.program.stdin.flush()

    def endpoints(self):
        """What the rows say, of one moment."""
        return self.page.evaluate(
            """() => [...document.querySelector("article.channel").querySelectorAll("tbody tr.endpoint")].map((row) => {
              const is = (name) => row.querySelector(`[data-is=${name}]`);
              const track = row.querySelector(".track").getBoundingClientRect().width;
              return {address: is("address").textContent, state: is("state").textContent, percent: is("share").textContent,
                recent: Number(is("recent").textContent.replaceAll(",", "")), width: parseFloat(is("fill").style.width) / 100, track};
            })"""
        )

    def bars(self):
        rows = self.endpoints()
        total = sum(row["recent"] for row in rows)
        assert total > 0
        for row in rows:
            share = row["recent"] / total
            assert abs(row["width"] - share) < 0.0006, (row, share)
            assert row["percent"] == f"{100 * row['width']:.1f} %" or abs(float(row["percent"][:-2]) - 100 * share) < 0.06, row
        assert abs(sum(row["width"] for row in rows) - 1) < 0.002
        return rows

    def run(self):
        page = self.page
        expect(self.rows).to_have_count(4, timeout=LIMIT)
        page.wait_for_function(
            """() => [...document.querySelectorAll("article.channel tr.endpoint [data-is=recent]")]
              .filter((cell) => Number(cell.textContent.replaceAll(",", "")) > 30).length >= 4""",
            timeout=LIMIT,
        )
        page.evaluate("window.stillHere = true")
        rows = self.bars()
        assert all(row["state"] == "✓ ready" for row in rows), rows
        print("4 pods:", ", ".join(f"{row['address']} {row['percent']}" for row in rows))

        self.say("add")
        expect(self.rows).to_have_count(5, timeout=LIMIT)
        new = [row["address"] for row in self.endpoints() if row["address"] not in {row["address"] for row in rows}]
        page.wait_for_function(
            """(address) => [...document.querySelectorAll("article.channel tr.endpoint")].some((row) =>
              row.querySelector("[data-is=address]").textContent === address
              && Number(row.querySelector("[data-is=recent]").textContent) > 30)""",
            arg=new[0], timeout=LIMIT,
        )
        self.bars()
        assert page.evaluate("window.stillHere === true"), "the page was loaded again"
        print("a new pod without loading again:", new[0])
        first = rows[0]["address"]
        self.say("stop")
        page.wait_for_function(
            """() => [...document.querySelectorAll("article.channel tr.endpoint.gone")].length === 1""", timeout=LIMIT)
        gone = next(row for row in self.endpoints() if row["state"] == "– gone")
        print("one is gone, and says so in words:", gone["address"], "" if gone["address"] != first else "(the first)")
        expect(self.channel.locator("[data-is=resolver]")).to_contain_text("4 endpoints", timeout=LIMIT)
        assert re.match(r"\d", self.channel.locator("[data-is=resolver]").inner_text())
        assert page.locator("article.channel ol.histogram").first.locator(".column span").count() == 17
        assert page.locator("article.server").count() == 4

        # Markup in a name is a name.
        second = page.locator("article.channel").nth(1)
        name = second.locator("tr.endpoint [data-is=address]").first
        expect(name).to_contain_text("<img src=x onerror=", timeout=LIMIT)
        assert page.evaluate("window.owned === undefined") and page.locator("main img, main script").count() == 0
        print("markup in an address is text:", name.inner_text())

        # Keyboard: what can be operated is reached in order, and shows it.
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "theme"
        texts = "h1, h2, h3, p, dt, dd, th, td, .state, .percent, .bound, .count, figcaption, summary, button"
        for theme in ("light", "dark"):
            page.keyboard.press("Enter")
            expect(page.locator("#theme")).to_have_text(f"Theme: {theme}")
            least = contrast(page, texts)
            print(f"least contrast of text, {theme}: {least:.1f}")
            assert least >= 4.5
        page.keyboard.press("Enter")
        page.locator("summary").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator("details").first).to_have_attribute("open", "")
        page.wait_for_timeout(2500)
        assert page.evaluate("document.activeElement.tagName") == "SUMMARY", "an update takes the focus away"
        expect(page.locator("details").first).to_have_attribute("open", "")
        page.keyboard.press("Enter")

    def ends(self):
        """The program is gone: the page says so."""
        expect(self.page.locator("#pulse-text")).to_contain_text("no answer", timeout=LIMIT)


def start(program, target):
    process = subprocess.Popen(
        [program, "0", target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    url = process.stdout.readline().strip()
    assert url.startswith("http://127.0.0.1:"), url
    return process, url


def draw(browser, program, picture):
    """What Docs/StatusPage.md shows: a rollout that has begun, and a server that is not there."""
    process, url = start(program, "ipv4:127.0.0.1:9")
    try:
        page = browser.new_page(viewport={"width": 1240, "height": 1000})
        page.goto(url)
        check = Check(page, process, url)
        expect(check.rows).to_have_count(4, timeout=LIMIT)
        page.wait_for_timeout(12_000)
        check.say("add")
        check.say("stop")
        page.wait_for_timeout(9_000)
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.wait_for_timeout(700)
            page.screenshot(path=picture if theme == "light" else picture.replace(".png", "-dark.png"), full_page=True)
    finally:
        process.kill()
        process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--browser", default=shutil.which("chromium") or shutil.which("google-chrome"))
    parser.add_argument("--picture", help="where the picture goes; the dark one has -dark in its name")
    options = parser.parse_args()
    program, url = start(options.program, HOSTILE)
    try:
        with sync_playwright() as playwright:
            # A browser's own sandbox wants more than root has in a container; what it loads is ours.
            browser = playwright.chromium.launch(executable_path=options.browser, args=["--no-sandbox"] if os.geteuid() == 0 else [])
            page = browser.new_page(viewport={"width": 1240, "height": 1180})
            complaints, requests = [], []
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda request: requests.append(request.url))
            page.goto(url)
            check = Check(page, program, url)
            check.run()
            assert not complaints, complaints
            assert set(requests) == {url, url + "status.json"}, set(requests)
            program.terminate()
            check.ends()
            if options.picture:
                draw(browser, options.program, options.picture)
            browser.close()
        print("the status page is as it should be")
    finally:
        program.kill()
        program.wait()


if __name__ == "__main__":
    sys.exit(main())
