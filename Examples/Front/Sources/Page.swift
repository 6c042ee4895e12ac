/// The page at `/`: one document without outside parts. Names come into it as text, never as markup.
enum Page {
  static let html = #"""
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <link rel="icon" href="data:,">
    <title>Calls for each pod</title>
    <style nonce="NONCE">
    :root { --ground: #f3f5f8; --card: #fff; --text: #16202c; --soft: #526071; --line: #dce2ea; --track: #e6ebf2;
      --accent: #1f6feb; --bad: #a1192b; color-scheme: light dark; }
    @media (prefers-color-scheme: dark) {
      :root { --ground: #0e141b; --card: #17202a; --text: #e6edf5; --soft: #9fb0c3; --line: #2a3644; --track: #253140;
        --accent: #5aa2ff; --bad: #ff9fa8; }
    }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--ground); color: var(--text);
      font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
    main { max-width: 860px; margin: 0 auto; padding: 28px 20px 48px; }
    h1 { font-size: 24px; margin: 0; }
    h2 { font-size: 16px; margin: 28px 0 8px; }
    p { margin: 2px 0 16px; color: var(--soft); overflow-wrap: anywhere; }
    #pulse[data-live=no] { color: var(--bad); font-weight: 600; }
    .card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 10px 20px 14px; overflow-x: auto; }
    table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
    th, td { text-align: left; padding: 9px 12px 9px 0; border-top: 1px solid var(--line); font-weight: 400; white-space: nowrap; }
    #failures tr:first-child > * { border-top: 0; }
    thead th { border-top: 0; color: var(--soft); font-size: 13px; }
    .number { text-align: right; }
    .share { width: 46%; }
    .bar { display: flex; align-items: center; gap: 12px; }
    .track { flex: 1; height: 14px; min-width: 90px; border-radius: 7px; background: var(--track); overflow: hidden; }
    .fill { height: 100%; width: 0; border-radius: 7px; background: var(--accent); transition: width .4s linear; }
    .percent { min-width: 62px; text-align: right; }
    tr.quiet { color: var(--soft); }
    tr.quiet .fill { background: var(--soft); }
    button { font: inherit; color: var(--text); background: var(--track); border: 1px solid var(--line); border-radius: 8px;
      padding: 5px 14px; margin: 0 8px 8px 0; cursor: pointer; }
    :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
    pre { margin: 6px 0 0; min-height: 48px; max-height: 300px; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere;
      font: 14px/1.5 ui-monospace, "SF Mono", "DejaVu Sans Mono", monospace; }
    @media (prefers-reduced-motion: reduce) { .fill { transition: none; } }
    </style>
    </head>
    <body>
    <main>
    <h1>Calls for each pod</h1>
    <p><span id="target"></span> · <span id="pulse" role="status" data-live="yes">starting</span></p>
    <div class="card">
    <table>
    <thead><tr><th scope="col">Pod</th><th scope="col" class="share">Share of the last <span id="seconds">10</span> seconds</th>
    <th scope="col" class="number">Calls</th><th scope="col" class="number">Median</th></tr></thead>
    <tbody id="pods"></tbody>
    </table>
    </div>
    <h2>Failures</h2>
    <div class="card"><table><tbody id="failures"></tbody></table><span id="none">none</span></div>
    <h2>Try it</h2>
    <div class="card">
    <button data-path="/ok">GET /ok</button><button data-path="/fail">GET /fail</button><button data-path="/stream">GET /stream</button>
    <pre id="answer" role="log" aria-label="The answer"></pre>
    </div>
    </main>
    <script nonce="NONCE">
    "use strict";
    const by = (id) => document.getElementById(id);
    const rows = new Map();
    const element = (name, type, text = "") => Object.assign(document.createElement(name), {className: type, textContent: text});

    function row(name) {
      const row = element("tr", "pod");
      const head = element("th", "", name);
      head.scope = "row";
      const bar = element("div", "bar"), track = element("div", "track");
      const cell = element("td", "share"), fill = element("div", "fill"), percent = element("span", "percent");
      track.append(fill);
      bar.append(track, percent);
      cell.append(bar);
      const calls = element("td", "number calls"), median = element("td", "number median");
      row.append(head, cell, calls, median);
      return {row, fill, percent, calls, median};
    }

    function show(report) {
      by("target").textContent = report.target;
      by("seconds").textContent = report.seconds;
      const total = report.pods.reduce((sum, pod) => sum + pod.recent, 0);
      const names = new Set(report.pods.map((pod) => pod.name));
      for (const [name, parts] of rows) if (!names.has(name)) { parts.row.remove(); rows.delete(name); }
      report.pods.forEach((pod, place) => {
        if (!rows.has(pod.name)) rows.set(pod.name, row(pod.name));
        const parts = rows.get(pod.name), share = total ? 100 * pod.recent / total : 0;
        if (by("pods").children[place] !== parts.row) by("pods").insertBefore(parts.row, by("pods").children[place] ?? null);
        parts.row.className = pod.recent ? "pod" : "pod quiet";
        parts.fill.style.width = `${share}%`;
        parts.percent.textContent = pod.recent ? `${share.toFixed(1)} %` : "quiet";
        parts.calls.textContent = pod.calls.toLocaleString("en");
        parts.median.textContent = `${pod.milliseconds.toFixed(2)} ms`;
      });
      by("failures").replaceChildren(...report.failures.map((failure) => {
        const line = element("tr", "failure");
        line.append(element("th", "", failure.code), element("td", "number", failure.calls.toLocaleString("en")), element("td", "", failure.message));
        return line;
      }));
      by("none").hidden = report.failures.length > 0;
      const rate = total / report.seconds;
      by("pulse").textContent = `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} calls a second`;
      by("pulse").dataset.live = "yes";
    }

    async function follow() {
      try {
        const answer = await fetch("/calls.json", {signal: AbortSignal.timeout(5000)});
        show(await answer.json());
      } catch {
        by("pulse").textContent = "no answer; it is tried again";
        by("pulse").dataset.live = "no";
      }
      setTimeout(follow, document.hidden ? 5000 : 500);
    }

    async function ask(path) {
      const answer = by("answer");
      answer.textContent = "";
      try {
        const response = await fetch(path);
        answer.append(`HTTP ${response.status}\n`);
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let part = await reader.read(); !part.done; part = await reader.read()) answer.append(part.value);
      } catch (error) { answer.append(`${error}`); }
    }
    document.querySelectorAll("button").forEach((button) => button.addEventListener("click", () => ask(button.dataset.path)));
    follow();
    </script>
    </body>
    </html>
    """#
}
