#!/usr/bin/env python3
"""Follows README's quick start and Docs/Production.md word for word, each from an empty folder.

The dependency on Volery is taken as the pages have it, by address and version: git is told that the address is this working
tree, with a tag. `--write FOLDER` only writes the files of Docs/Production.md, with a path for the dependency (Examples/Shop).
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from page import Commands, File, Output, matches, steps
from terminal import Network, Terminal

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD, RUN = 1200, 300  # seconds
DEPENDENCY = re.compile(r'\.package\(url: "(\S+/volery\.git)", from: "([\d.]+)"\)')


def write(found, folder):
    for step in found:
        if isinstance(step, File):
            path = folder / step.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.text)


def publish(repository, version):
    """This working tree as a repository with one commit and a tag."""
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(git, check=True, capture_output=True, text=True).stdout.split("\0"):
        if name and os.path.lexists(ROOT / name):
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, repository / name, follow_symlinks=False)
    person = ["-c", "user.name=volery", "-c", "user.email=volery@example.com"]
    for command in (["init", "-q"], ["add", "-A", "-f"], [*person, "commit", "-qm", version], ["tag", version]):
        subprocess.run(["git", "-C", str(repository), *command], check=True)


def write_command(work):
    """`swift`, as it is, but that nothing of the address stays behind, and that the second folder does not build Volery anew."""
    command = work / "bin/swift"
    command.parent.mkdir()
    folders = " ".join(f"--{name}-path '{work}/{name}'" for name in ("cache", "security", "scratch"))
    command.write_text(f'#!/bin/sh\nverb=$1\nshift\nexec {shutil.which("swift")} "$verb" {folders} "$@"\n')
    command.chmod(0o755)


def fail(text, terminal=None):
    print(terminal.output[-6000:] if terminal else "", f"FAIL: {text}", sep="\n", file=sys.stderr)
    raise SystemExit(1)


class Reader:
    """Somebody who does what a page says, in a folder of his own."""

    def __init__(self, folder, environment, network):
        self.folder, self.environment, self.network = folder, environment, network
        self.terminals = {}
        self.last = None

    def follow(self, found):
        write(found, self.folder)
        for number, step in enumerate(found):
            if isinstance(step, Commands):
                self.run(step)
            elif isinstance(step, Output):
                self.expect(step)
        for name, terminal in self.terminals.items():
            if not terminal.wait(lambda: terminal.status is not None, RUN) or terminal.status != 0:
                fail(f"{name} has ended with {terminal.status}, or not at all", terminal)

    def run(self, step):
        if "apt-get" in step.text:
            packages = step.text.replace("\\\n", " ").split(" install ")[1].split()
            for package in packages:
                if not package.startswith("-") and subprocess.run(["dpkg", "-s", package], capture_output=True).returncode:
                    fail(f"{package} is not installed")
            return
        begin = time.monotonic()
        prefix = self.network.prefix if step.program else []
        self.last = Terminal(step.text, self.folder, self.environment, prefix)
        if step.in_background:
            self.terminals[step.program] = self.last
            return
        if not self.last.wait(lambda: self.last.status is not None, BUILD) or self.last.status != 0:
            fail(f"this has ended with {self.last.status}, or not at all:\n{step.text}", self.last)
        print(f"  {time.monotonic() - begin:4.0f} s  {step.text.splitlines()[0]}", flush=True)

    def expect(self, step):
        terminals = [self.terminals[name] for name in step.terminals] or [self.last]
        for terminal in terminals:
            begin = 0
            if step.interrupts:
                begin = len(terminal.output)
                terminal.interrupt()
            if not terminal.wait(lambda: matches(step.lines, terminal.output[begin:]), RUN):
                fail("this is missing in the output above:\n" + "\n".join(step.lines), terminal)

    def close(self):
        for terminal in [*self.terminals.values(), *([self.last] if self.last else [])]:
            terminal.end()


def main():
    hello, shop = steps(ROOT / "README.md", "Quick start"), steps(ROOT / "Docs/Production.md")
    if sys.argv[1:2] == ["--write"]:
        for step in shop:
            if isinstance(step, File):
                step.text = DEPENDENCY.sub('.package(name: "volery", path: "../..")', step.text)
        return write(shop, Path(sys.argv[2]))
    manifests = [step.text for step in hello + shop if isinstance(step, File) and step.path == "Package.swift"]
    [(address, version)] = {DEPENDENCY.search(manifest).groups() for manifest in manifests}
    for page in ("README.md", "Docs/Production.md"):
        # In the manifest, and where the page says what it stands for.
        if (ROOT / page).read_text().count(address) < 2:
            fail(f"{page} does not say what to write in the place of {address}")
    network = Network()
    with tempfile.TemporaryDirectory() as work:
        work = Path(work)
        for name in ("volery", "hello", "shop"):
            (work / name).mkdir()
        publish(work / "volery", version)
        write_command(work)
        number = int(os.environ.get("GIT_CONFIG_COUNT", 0))  # of what the machine has for itself
        environment = {
            **os.environ, "TERM": "dumb", "PATH": f"{work}/bin:{os.environ['PATH']}", "GIT_CONFIG_COUNT": str(number + 1),
            f"GIT_CONFIG_KEY_{number}": f"url.file://{work}/volery.insteadOf", f"GIT_CONFIG_VALUE_{number}": address,
        }
        for title, found in (("README.md, Quick start", hello), ("Docs/Production.md", shop)):
            print(title, flush=True)
            reader = Reader(work / ("hello" if found is hello else "shop"), environment, network)
            try:
                reader.follow(found)
            finally:
                reader.close()
    network.close()
    print("the pages do what they say")


if __name__ == "__main__":
    main()
