#!/usr/bin/env python3
"""Chooses a small corpus: minimise.py CONTROL FOLDER. CONTROL is the control file of libFuzzer's `-set_cover_merge=1`, which
has for each input the places of code that it reaches. What was a finding once (finding-*) stays; then the input that reaches
the most new places is taken, again and again, as long as it reaches at least LEAST. They are copied into FOLDER."""

import hashlib
import pathlib
import shutil
import sys

LEAST = 8


def read(control):
    lines = pathlib.Path(control).read_text().splitlines()
    count = int(lines[0])
    files = lines[2:2 + count]
    places = {}
    for line in lines[2 + count:]:
        kind, number, *rest = line.split()
        if kind == "FT":
            places[files[int(number)]] = {int(place) for place in rest}
    return places


def choose(places):
    chosen = [file for file in places if pathlib.Path(file).name.startswith("finding-")]
    reached = set().union(*(places.pop(file) for file in chosen))
    while places:
        for file in list(places):
            places[file] -= reached
            if len(places[file]) < LEAST:
                del places[file]
        if places:
            best = max(places, key=lambda file: (len(places[file]), -pathlib.Path(file).stat().st_size, file))
            reached |= places.pop(best)
            chosen.append(best)
    return chosen


def main():
    out = pathlib.Path(sys.argv[2])
    for file in map(pathlib.Path, choose(read(sys.argv[1]))):
        is_finding = file.name.startswith("finding-")
        shutil.copy(file, out / (file.name if is_finding else hashlib.sha1(file.read_bytes()).hexdigest()))


if __name__ == "__main__":
    main()
