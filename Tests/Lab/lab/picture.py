"""Calls per pod over time, as a picture."""

import html

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 960, 360, 56, 44, 64
COLOURS = [
    "#4e79a7",
    "#f28e2b",
    "#59a14f",
    "#b07aa1",
    "#76b7b2",
    "#edc948",
    "#9c755f",
    "#86bcb6",
    "#d37295",
    "#8cd17d",
    "#499894",
    "#f1ce63",
    "#a0cbe8",
    "#ffbe7d",
    "#d4a6c8",
]


def draw(timeline):
    """SVG: a band for each pod, stacked; failed calls in red on top; a line for each event."""
    step, pods, errors = timeline["step"], timeline["pods"], timeline["errors"]
    count = len(errors)
    made, failures = timeline["made"], timeline["failed"]
    rows = sorted(pods.items(), key=lambda row: next((i for i, value in enumerate(row[1]) if value), count))
    totals = [sum(values[i] for _, values in rows) + errors[i] for i in range(count)]
    top = max(totals, default=1) * 1.08 or 1
    seconds = count * step

    def x(index):
        return LEFT + (WIDTH - LEFT - 16) * index / max(1, count)

    def y(value):
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="15" font-weight="bold">{html.escape(timeline["title"])}</text>',
    ]
    for share in (0.25, 0.5, 0.75, 1):
        rate = top / 1.08 * share / step
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - 16}" y1="{y(rate * step):.1f}" y2="{y(rate * step):.1f}" '
            'stroke="#ddd"/>'
        )
        parts.append(f'<text x="{LEFT - 6}" y="{y(rate * step) + 4:.1f}" text-anchor="end">{rate:.0f}/s</text>')
    # From the top band to the lowest, each down to the axis: the lower ones cover what is not theirs.
    bands, sums = [], [0] * count
    for index, (name, values) in enumerate(rows + [("failed", errors)]):
        sums = [low + value for low, value in zip(sums, values)]
        if any(values):
            bands.append((name, "#d62728" if name == "failed" else COLOURS[index % len(COLOURS)], sums))
    for name, colour, values in reversed(bands):
        path, last = [f"M{x(0):.1f},{y(0):.1f}"], None
        for index, value in enumerate(values):
            if value != last:
                path.append(f"H{x(index):.1f}V{y(value):.1f}")
                last = value
        path.append(f"H{x(count):.1f}V{y(0):.1f}Z")
        parts.append(f'<path d="{"".join(path)}" fill="{colour}"><title>{html.escape(name)}</title></path>')
    for when, text in timeline["events"]:
        place = x(when / step)
        parts.append(
            f'<line x1="{place:.1f}" x2="{place:.1f}" y1="{TOP - 8}" y2="{HEIGHT - BOTTOM}" stroke="#222" '
            'stroke-dasharray="4 3"/>'
        )
        if len(timeline["events"]) <= 8:
            parts.append(f'<text x="{place + 4:.1f}" y="{TOP - 2}">{html.escape(text)}</text>')
    for second in range(0, int(seconds) + 1, max(1, round(seconds / 12))):
        parts.append(
            f'<text x="{x(second / step):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{second} s</text>'
        )
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 25}">pod</text>')
    place = LEFT + 32
    for index, (name, _) in enumerate(rows[:16]):
        parts.append(
            f'<rect x="{place}" y="{HEIGHT - 34}" width="10" height="10" fill="{COLOURS[index % len(COLOURS)]}"/>'
        )
        parts.append(f'<text x="{place + 13}" y="{HEIGHT - 25}">{index + 1}</text>')
        place += 40
    parts.append(
        f'<text x="{WIDTH - 16}" y="{HEIGHT - 25}" text-anchor="end">{made:,} calls to {len(rows)} pods, '
        f'<tspan font-weight="bold" fill="{"#d62728" if failures else "#2ca02c"}">{failures} failed</tspan></text>'
    )
    parts.append("</svg>")
    return "\n".join(parts) + "\n"
