"""What was measured: one value for each row, program and round, and what comes out of it."""

import statistics


class Row:
    """One line of a table. `unit` says what the values are; `per` turns smaller-is-better around."""

    def __init__(self, group, key, title, unit, higher_is_better=False):
        self.group, self.key, self.title, self.unit = group, key, title, unit
        self.higher_is_better = higher_is_better
        self.rounds = {}
        """Of each program: a list of dictionaries, one for each round; "value" is what the table shows."""
        self.kept_values = {}
        self.condition = ""
        """What the machine was like meanwhile (noise.py); empty: nobody has looked."""

    def add(self, program, value, **more):
        self.rounds.setdefault(program, []).append({"value": value, **more})

    def median(self, program, what="value"):
        values = [one[what] for one in self.rounds.get(program, []) if what in one]
        return statistics.median(values) if values else None

    def values(self, program):
        """Of all rounds."""
        return self.kept_values[program] if program in self.kept_values else [
            one["value"] for one in self.rounds[program]]

    def spread(self, program):
        """Between the highest and the lowest round, as a share of the median."""
        values = self.values(program)
        middle = statistics.median(values)
        return round((max(values) - min(values)) / middle, 3) if middle else 0

    @staticmethod
    def restored(found):
        """From what `json` made, with the medians as the only round."""
        row = Row(found["group"], found["row"], found["title"], found["unit"], found["higher_is_better"])
        row.condition = found.get("condition", "")
        for program, figures in found["programs"].items():
            row.add(program, **{what: value for what, value in figures.items() if what not in ("spread", "rounds")})
            row.kept_values[program] = figures["rounds"]
        return row

    def json(self):
        return {
            "group": self.group, "row": self.key, "title": self.title, "unit": self.unit,
            "higher_is_better": self.higher_is_better, "condition": self.condition,
            "programs": {
                program: {
                    **{what: self.median(program, what) for what in rounds[0]},
                    "spread": self.spread(program), "rounds": self.values(program),
                } for program, rounds in self.rounds.items()
            },
        }


def percentile(ordered, share):
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latencies(ordered):
    return {"p50": percentile(ordered, 0.5), "p99": percentile(ordered, 0.99), "p99.9": percentile(ordered, 0.999)}
