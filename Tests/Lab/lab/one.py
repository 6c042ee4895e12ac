"""Runs one scenario, as the first process of its own namespaces: one.py NAME FOLDER RESULT [--quick] ..."""

import argparse
import json
import pathlib
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lab import bad_input, balancing, change, choices, discovery, endpointslices, failure, proxying, targets, watching  # noqa: E402, F401: they register their cases
from lab.network import Unavailable  # noqa: E402
from lab.scenario import CASES, Laboratory  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("folder")
    parser.add_argument("result")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--program", required=True)
    parser.add_argument("--python", default="")
    parser.add_argument("--reference", action="store_true")
    parser.add_argument("--shared", action="store_true")
    options = parser.parse_args()
    options.here = pathlib.Path(__file__).resolve().parents[1]
    started = time.monotonic()
    result = {"checks": [], "notes": [], "timeline": None, "error": None, "skipped": None, "echo": 0.0}
    try:
        lab = Laboratory(options.folder, options)
        try:
            CASES[options.name].run(lab)
        finally:
            result.update(checks=lab.checks, notes=lab.notes, timeline=lab.timeline, echo=lab.echo)
    except Unavailable as error:
        result["skipped"] = str(error)
    except Exception as error:
        result["error"] = f"{type(error).__name__}: {error}"
        traceback.print_exc()
    result["seconds"] = time.monotonic() - started
    pathlib.Path(options.result).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
