extension StatusPage {
  /// Reads status.json and shows it. It changes what is there instead of making it anew, so that focus, selection and what is folded
  /// out stay; whatever it shows is put in as text.
  static let script = #"""

    "use strict";
    const interval = 1000;
    const $ = (id) => document.getElementById(id);
    const signs = {ready: ["✓", "good"], connecting: ["…", "warn"], failing: ["✕", "bad"], idle: ["–", "quiet"], gone: ["–", "quiet"],
      "shut down": ["–", "quiet"], listening: ["✓", "good"], draining: ["…", "warn"],
      "ejected: failures": ["✕", "bad"], "ejected: outlier": ["✕", "bad"]};
    const number = new Intl.NumberFormat("en");

    function text(element, value) { if (element.textContent !== value) element.textContent = value; }

    function fill(element, values) {
      const parts = element.parts ??= Object.fromEntries(
        [...element.querySelectorAll("[data-is]")].map((part) => [part.dataset.is, part]));
      for (const [name, value] of Object.entries(values)) text(parts[name], value);
      return parts;
    }

    // As many children as items, each with its key, in their order: those that are there already are kept.
    function list(parent, template, items, key, update) {
      const old = new Map([...parent.children].map((child) => [child.key, child]));
      const used = new Map();
      let place = parent.firstElementChild;
      for (const item of items) {
        let name = key(item);
        const again = used.get(name) ?? 0;
        used.set(name, again + 1);
        if (again) name += " " + again;
        let child = old.get(name);
        old.delete(name);
        if (!child) {
          child = $(template).content.firstElementChild.cloneNode(true);
          child.key = name;
        }
        if (child === place) place = place.nextElementSibling; else parent.insertBefore(child, place);
        update(child, item);
      }
      for (const child of old.values()) child.remove();
    }

    function state(element, word) {
      const [sign, kind] = signs[word] ?? ["?", "quiet"];
      text(element, sign + " " + word);
      element.dataset.kind = kind;
    }

    function duration(seconds) {
      if (seconds < 10) return seconds.toFixed(1) + " s";
      if (seconds < 120) return Math.round(seconds) + " s";
      if (seconds < 7200) return Math.round(seconds / 60) + " min";
      return Math.round(seconds / 3600) + " h";
    }

    function milliseconds(value) {
      if (value === null) return "–";
      if (value >= 1000) return +(value / 1000).toPrecision(3) + " s";
      return +value.toPrecision(3) + " ms";
    }

    function bound(latency, index) {
      const last = latency.bounds.length;
      return index === last ? "> " + milliseconds(latency.bounds[last - 1]) : "≤ " + milliseconds(latency.bounds[index]);
    }

    function histogram(element, latency) {
      const most = Math.max(1, ...latency.counts);
      element.parentElement.hidden = latency.p50 === null;
      const items = latency.counts.map((count, index) => ({count, index}));
      list(element, "class", items, (item) => String(item.index), (child, item) => {
        const parts = fill(child, {count: item.count ? number.format(item.count) : "", bound: bound(latency, item.index)});
        parts.column.style.height = 100 * item.count / most + "%";
        child.title = bound(latency, item.index) + ": " + item.count;
      });
    }

    function rate(calls, snapshot) { return (calls.recent / Math.max(1, Math.min(snapshot.window, snapshot.age))).toFixed(1); }

    function totals(calls, snapshot) {
      return {rate: rate(calls, snapshot), open: number.format(calls.open), failed: number.format(calls.failed)};
    }

    function row(calls) {
      return {recent: number.format(calls.recent), started: number.format(calls.started), open: number.format(calls.open),
        failed: number.format(calls.failed)};
    }

    function error(element, value) {
      element.hidden = value === null;
      text(element, value ?? "");
    }

    function showEndpoint(element, endpoint) {
      const parts = fill(element, {...row(endpoint.calls), address: endpoint.address,
        share: (100 * endpoint.share).toFixed(1) + " %"});
      const word = endpoint.ejection ? "ejected: " + endpoint.ejection : endpoint.state ?? "gone";
      state(parts.state, word);
      error(parts.error, endpoint.error);
      parts.fill.style.width = 100 * endpoint.share + "%";
      element.classList.toggle("gone", endpoint.state === null);
    }

    function resolverText(resolver) {
      if (resolver.age === null) return "has not answered yet";
      const shown = resolver.endpoints.join(", ");
      const more = resolver.endpointCount - resolver.endpoints.length;
      const count = resolver.endpointCount === 1 ? "1 endpoint" : number.format(resolver.endpointCount) + " endpoints";
      return `${duration(resolver.age)} ago: ${count}${shown ? ": " + shown : ""}${more > 0 ? " and " + more + " more" : ""}`
        + ` (answers: ${number.format(resolver.answers)}, failures: ${number.format(resolver.failures)})`;
    }

    function showChannel(element, channel, snapshot) {
      const parts = fill(element, {...totals(channel.calls, snapshot), target: channel.target,
        retries: number.format(channel.retries), p50: milliseconds(channel.latency.p50), p99: milliseconds(channel.latency.p99),
        resolver: resolverText(channel.resolver)});
      state(parts.state, channel.state);
      error(parts["resolver-error"], channel.resolver.error);
      list(parts.endpoints, "endpoint", channel.endpoints, (endpoint) => endpoint.address, showEndpoint);
      histogram(parts.latency, channel.latency);
    }

    function showServer(element, server, snapshot) {
      const parts = fill(element, {...totals(server.calls, snapshot), addresses: server.addresses.join(", ") || "server " + server.id,
        connections: number.format(server.connections) + (server.refused ? ` (${number.format(server.refused)} refused)` : ""),
        p50: milliseconds(server.latency.p50), p99: milliseconds(server.latency.p99)});
      state(parts.state, server.isDraining ? "draining" : "listening");
      list(parts.methods, "method", server.methods, (method) => method.name,
        (child, method) => fill(child, {...row(method.calls), name: method.name}));
      histogram(parts.latency, server.latency);
    }

    // What a screen reader says: who has come, gone or changed.
    const words = new Map();
    function tellNews(snapshot) {
      const news = [];
      const seen = new Set();
      for (const channel of snapshot.channels) for (const endpoint of channel.endpoints) {
        const key = channel.id + " " + endpoint.address;
        const word = endpoint.ejection ? "ejected" : endpoint.state ?? "gone";
        seen.add(key);
        if (words.size && words.get(key) !== word) news.push(endpoint.address + " is " + word);
        words.set(key, word);
      }
      for (const key of [...words.keys()]) if (!seen.has(key)) words.delete(key);
      if (news.length) text($("news"), news.slice(0, 5).join(", "));
    }

    function show(snapshot) {
      list($("channels"), "channel", snapshot.channels, (channel) => String(channel.id),
        (element, channel) => showChannel(element, channel, snapshot));
      list($("servers"), "server", snapshot.servers, (server) => String(server.id),
        (element, server) => showServer(element, server, snapshot));
      $("no-channels").hidden = snapshot.channels.length > 0;
      $("no-servers").hidden = snapshot.servers.length > 0;
      const left = snapshot.leftOut ? `, ${snapshot.leftOut} more are not shown` : "";
      text($("facts"), `channels: ${snapshot.channels.length}, servers: ${snapshot.servers.length}${left}; `
        + `watched for ${duration(snapshot.age)}`);
      tellNews(snapshot);
    }

    let answeredAt = null;
    async function look() {
      const pulse = $("pulse");
      try {
        const answer = await fetch("status.json", {cache: "no-store", signal: AbortSignal.timeout(5000)});
        if (!answer.ok) throw new Error("status " + answer.status);
        show(await answer.json());
        answeredAt = performance.now();
        pulse.dataset.live = "yes";
        text($("pulse-text"), "live");
      } catch {
        pulse.dataset.live = "no";
        text($("pulse-text"), answeredAt === null ? "status.json can't be read"
          : "no answer for " + duration((performance.now() - answeredAt) / 1000));
      }
      setTimeout(look, interval);
    }

    const dark = matchMedia("(prefers-color-scheme: dark)");
    const themes = ["system", "light", "dark"];
    let theme = 0;
    function paint() {
      document.documentElement.dataset.theme = theme ? themes[theme] : dark.matches ? "dark" : "light";
      text($("theme"), "Theme: " + themes[theme]);
    }
    $("theme").addEventListener("click", () => { theme = (theme + 1) % themes.length; paint(); });
    dark.addEventListener("change", paint);
    paint();
    look();

    """#
}
