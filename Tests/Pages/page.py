"""What a page tells its reader to do, in order: files to write, commands to run, and what is seen then."""

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass
class File:
    path: str
    text: str


@dataclass
class Commands:
    text: str
    in_background: bool  # in a terminal of its own, which stays open

    @property
    def program(self):
        """The name after the last `swift run`; None where there is none."""
        names = re.findall(r"swift run (\S+)", self.text)
        return names[-1] if names else None


@dataclass
class Output:
    lines: list
    terminals: list  # the programs in whose terminals it is seen; empty: the one of the commands before
    interrupts: bool  # Ctrl-C in that terminal comes first


def steps(page: Path, section=None):
    """The steps of a page, or of one of its sections.

    A block of Swift, proto or JSON is a file, whose path is in the paragraph before it. A block of sh is commands. A block of
    text is output; the paragraph before it may say in the "terminal of" which programs, and begin with Ctrl-C.
    """
    text = page.read_text()
    if section:
        text = re.search(rf"^## {re.escape(section)}\n(.*?)(?=^## )", text, re.M | re.S)[1]
    found = []
    for before, language, block in re.findall(r"((?:^(?!```)[^\n]*\n)*)^```(\w+)\n(.*?)^```\n", text, re.M | re.S):
        paragraphs = before.strip().split("\n\n")
        paragraph = " ".join(paragraphs[-1].split())
        if language in ("swift", "proto", "json"):
            path = re.search(r"`([\w./-]+\.(?:swift|proto|json))`", paragraph)
            if not path:
                raise SystemExit(f"{page}: no path stands before this block:\n{block}")
            found.append(File(path[1], block))
        elif language == "sh":
            found.append(Commands(block, block.startswith("# in a terminal of its own")))
        elif language == "text":
            named = re.search(r"terminals? of ([^:.]*)", paragraph)
            terminals = re.findall(r"`(\w+)`", named[1]) if named else []
            found.append(Output(block.splitlines(), terminals, "Ctrl-C" in paragraph))
    return found


def matches(lines, text):
    """Whether these lines are there, whole and in this order, with others in between; `...` stands for anything."""
    patterns = [re.escape(line).replace(r"\.\.\.", ".*") for line in lines]
    return re.search(r"^" + r"$.*?^".join(f"(?-s:{pattern})" for pattern in patterns) + r"$", text, re.M | re.S)
