"""What was measured: one value for each row, program and round, and what comes out of it."""

import statistics


class Row:
    """One line of a table. `unit` says what the values are; `per` turns smaller-is-better around."""

    def __init__(self, group, key, title, unit, higher_is_better=False):
        self.group, self.key, self.title, self.unit = group, key, title, unit
        self.higher_is_better = higher_is_better
        self.rounds = {}
        """Of each program: a list of dictionaries, one for each round; "value" is what the table shows."""

    def add(self, program, value, **more):
        self.rounds.setdefault(program, []).append({"value": value, **more})

    def median(self, program, what="value"):
        values = [one[what] for one in self.rounds.get(program, []) if what in one]
        return statistics.median(values) if values else None

    def spread(self, program):
        values = [one["value"] for one in self.rounds[program]]
        return (max(values) - min(values)) / statistics.median(values) if statistics.median(values) else 0

    def json(self):
        return {
            "group": self.group, "row": self.key, "title": self.title, "unit": self.unit,
            "higher_is_better": self.higher_is_better,
            "programs": {
                program: {
                    **{what: self.median(program, what) for what in rounds[0]},
                    "spread": round(self.spread(program), 3), "rounds": [one["value"] for one in rounds],
                } for program, rounds in self.rounds.items()
            },
        }


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latencies(ordered):
    return {"p50": percentile(ordered, 0.5), "p99": percentile(ordered, 0.99), "p99.9": percentile(ordered, 0.999)}
