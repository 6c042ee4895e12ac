extension StatusPage {
  static let markup = """
    <!doctype html>
    <html lang="en">
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <link rel="icon" href="data:,">
    <title>Volery</title>

    """

  /// With templates for what there are several of. All text is put in by the script as text, never as markup.
  static let bodyMarkup = """

    <a class="skip" href="#main">Skip to the channels</a>
    <header>
      <h1>Volery</h1>
      <p id="pulse" class="pulse"><span class="dot" aria-hidden="true"></span><span id="pulse-text">waiting for the first answer</span></p>
      <p id="facts" class="facts"></p>
      <button id="theme" type="button">Theme: system</button>
    </header>
    <p id="news" class="unseen" role="status" aria-live="polite"></p>
    <main id="main" tabindex="-1">
      <noscript><p class="empty">This page reads status.json, for which it needs its script.</p></noscript>
      <section aria-labelledby="channels-title">
        <h2 id="channels-title">Channels</h2>
        <div id="channels"></div>
        <p id="no-channels" class="empty" hidden>No channel is open.</p>
      </section>
      <section aria-labelledby="servers-title">
        <h2 id="servers-title">Servers</h2>
        <div id="servers"></div>
        <p id="no-servers" class="empty" hidden>No server listens.</p>
      </section>
    </main>
    <template id="channel">
      <article class="card channel">
        <div class="top"><h3 data-is="target"></h3><span class="state" data-is="state"></span></div>
        <dl class="tiles">
          <div><dt>calls a second</dt><dd data-is="rate"></dd></div>
          <div><dt>under way</dt><dd data-is="open"></dd></div>
          <div><dt>failed</dt><dd data-is="failed"></dd></div>
          <div><dt>retries, hedges</dt><dd data-is="retries"></dd></div>
          <div><dt>half within</dt><dd data-is="p50"></dd></div>
          <div><dt>99 % within</dt><dd data-is="p99"></dd></div>
        </dl>
        <p class="resolver"><span class="label">Resolver</span> <span data-is="resolver"></span></p>
        <p class="error" data-is="resolver-error" hidden></p>
        <div class="scroll" tabindex="0" role="group" aria-label="Endpoints">
          <table>
            <caption class="unseen">Endpoints, and who gets which share of the calls</caption>
            <thead><tr><th scope="col">Endpoint</th><th scope="col">State</th>
              <th scope="col" class="wide">Share of calls, last minute</th><th scope="col" class="number">Last minute</th>
              <th scope="col" class="number">In all</th><th scope="col" class="number">Under way</th>
              <th scope="col" class="number">Failed</th></tr></thead>
            <tbody data-is="endpoints"></tbody>
          </table>
        </div>
        <figure hidden><figcaption>How long calls took, last minute</figcaption><ol class="histogram" data-is="latency"></ol></figure>
      </article>
    </template>
    <template id="endpoint">
      <tr class="endpoint"><th scope="row"><span data-is="address"></span><span class="error" data-is="error" hidden></span></th>
        <td><span class="state" data-is="state"></span></td>
        <td class="wide"><span class="share"><span class="track" aria-hidden="true"><span class="fill" data-is="fill"></span></span>
          <span class="percent" data-is="share"></span></span></td>
        <td class="number" data-is="recent"></td><td class="number" data-is="started"></td>
        <td class="number" data-is="open"></td><td class="number" data-is="failed"></td></tr>
    </template>
    <template id="server">
      <article class="card server">
        <div class="top"><h3 data-is="addresses"></h3><span class="state" data-is="state"></span></div>
        <dl class="tiles">
          <div><dt>calls a second</dt><dd data-is="rate"></dd></div>
          <div><dt>under way</dt><dd data-is="open"></dd></div>
          <div><dt>failed</dt><dd data-is="failed"></dd></div>
          <div><dt>connections</dt><dd data-is="connections"></dd></div>
          <div><dt>half within</dt><dd data-is="p50"></dd></div>
          <div><dt>99 % within</dt><dd data-is="p99"></dd></div>
        </dl>
        <details><summary>Methods and latency</summary>
          <div class="scroll" tabindex="0" role="group" aria-label="Methods">
            <table>
              <caption class="unseen">Methods</caption>
              <thead><tr><th scope="col">Method</th><th scope="col" class="number">Last minute</th>
                <th scope="col" class="number">In all</th><th scope="col" class="number">Under way</th>
                <th scope="col" class="number">Failed</th></tr></thead>
              <tbody data-is="methods"></tbody>
            </table>
          </div>
          <figure hidden><figcaption>How long calls took, last minute</figcaption><ol class="histogram" data-is="latency"></ol></figure>
        </details>
      </article>
    </template>
    <template id="method">
      <tr><th scope="row" data-is="name"></th><td class="number" data-is="recent"></td><td class="number" data-is="started"></td>
        <td class="number" data-is="open"></td><td class="number" data-is="failed"></td></tr>
    </template>
    <template id="class">
      <li><span class="count" data-is="count"></span><span class="column" aria-hidden="true"><span data-is="column"></span></span><span class="bound" data-is="bound"></span></li>
    </template>

    """
}
