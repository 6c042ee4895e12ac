"""The figures of another implementation's client, kept beside those of ours, each with the code that measured it: a figure
is shown only under the very measure that it was taken with."""

import ast
import hashlib
import inspect
import json
import textwrap


def _functions(code, scope, found):
    """Every function of the laboratory that the code calls by name, and those that these call."""
    for name in code.co_names:
        value = scope.get(name)
        if inspect.isfunction(value) and value.__module__.startswith("lab.") and value not in found:
            found.append(value)
            _functions(value.__code__, value.__globals__, found)
    for constant in code.co_consts:
        if inspect.iscode(constant):
            _functions(constant, scope, found)


def measure(case):
    """A fingerprint of what a case does and counts: of its code, whatever the format and the comments."""
    body = inspect.unwrap(case.body)
    functions = [body]
    _functions(body.__code__, body.__globals__, functions)
    # What registers the cases is no part of any.
    functions = [function for function in functions if function.__name__ != "case"]
    texts = sorted(ast.dump(ast.parse(textwrap.dedent(inspect.getsource(each)))) for each in functions)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]


def read(path):
    return json.loads(path.read_text()) if path.exists() else {}


def figures(stored, cases):
    """By case and by what was measured; those of a case that measures otherwise now are left out."""
    return {
        name: entry["figures"]
        for name, entry in stored.items()
        if name in cases and entry["measure"] == measure(cases[name])
    }


def stale(stored, cases):
    """The cases whose figures have to be taken anew."""
    current = figures(stored, cases)
    return sorted(name for name in stored if name not in current)


def update(path, results, cases, how):
    """Puts these results in the place of the older ones."""
    stored = {name: entry for name, entry in read(path).items() if name in cases}
    for result in results:
        if not result["checks"]:
            continue
        stored[result["name"]] = {
            "measure": measure(cases[result["name"]]),
            "how": how,
            "figures": {check["what"]: check["measured"] for check in result["checks"]},
        }
    path.write_text(json.dumps(stored, indent=1, sort_keys=True) + "\n")
