extension StatusPage {
  /// Text has a contrast of 4.5 to 1 and more on what is behind it, in both themes; states differ by sign and word as well as by color.
  static let style = """

    :root {
      --ground: #f3f5f8; --card: #ffffff; --text: #16202c; --soft: #526071; --line: #dce2ea; --track: #e6ebf2;
      --accent: #1f6feb; --good: #11693a; --good-ground: #dcf3e4; --warn: #7a4b00; --warn-ground: #fdeecb;
      --bad: #a1192b; --bad-ground: #fde4e6; --quiet: #455364; --quiet-ground: #e8edf3;
      color-scheme: light;
    }
    :root[data-theme=dark] {
      --ground: #0e141b; --card: #17202a; --text: #e6edf5; --soft: #9fb0c3; --line: #2a3644; --track: #253140;
      --accent: #5aa2ff; --good: #7fe0a5; --good-ground: #123524; --warn: #f5cc74; --warn-ground: #3b2d0c;
      --bad: #ff9fa8; --bad-ground: #45181e; --quiet: #b4c2d2; --quiet-ground: #273341;
      color-scheme: dark;
    }
    * { box-sizing: border-box; }
    body { margin: 0; background: var(--ground); color: var(--text); line-height: 1.45;
      font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
    header { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 20px; padding: 14px 28px; background: var(--card);
      border-bottom: 1px solid var(--line); position: sticky; top: 0; z-index: 1; }
    h1 { font-size: 20px; margin: 0; letter-spacing: .02em; }
    h2 { font-size: 13px; margin: 26px 0 10px; color: var(--soft); text-transform: uppercase; letter-spacing: .08em; }
    h3 { font-size: 17px; margin: 0; overflow-wrap: anywhere; font-weight: 650; }
    main { max-width: 1180px; margin: 0 auto; padding: 0 28px 40px; outline: none; }
    button { margin-left: auto; font: inherit; color: var(--text); background: var(--track); border: 1px solid var(--line);
      border-radius: 8px; padding: 5px 12px; cursor: pointer; }
    :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 6px; }
    .skip { position: absolute; left: -1000px; }
    .skip:focus { left: 8px; top: 8px; background: var(--card); padding: 8px; z-index: 2; }
    .unseen { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
    .pulse, .facts { margin: 0; color: var(--soft); }
    .pulse { display: flex; align-items: center; gap: 8px; }
    .dot { width: 10px; height: 10px; border-radius: 50%; background: var(--soft); }
    .pulse[data-live=yes] .dot { background: #2da562; }
    .pulse[data-live=no] { color: var(--bad); font-weight: 600; }
    .pulse[data-live=no] .dot { background: var(--bad); border-radius: 2px; }
    .card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 18px 20px; margin-bottom: 16px;
      box-shadow: 0 1px 2px rgb(10 20 40 / 6%); }
    #servers { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 520px), 1fr)); gap: 16px; align-items: start; }
    #servers .card { margin: 0; }
    #servers .tiles { grid-template-columns: repeat(3, 1fr); }
    .top { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 12px; }
    .state { display: inline-block; white-space: nowrap; border-radius: 99px; padding: 1px 10px; font-size: 13px; font-weight: 600;
      color: var(--quiet); background: var(--quiet-ground); }
    .state[data-kind=good] { color: var(--good); background: var(--good-ground); }
    .state[data-kind=warn] { color: var(--warn); background: var(--warn-ground); }
    .state[data-kind=bad] { color: var(--bad); background: var(--bad-ground); }
    .tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(104px, 1fr)); gap: 10px; margin: 14px 0; }
    .tiles div { border-left: 3px solid var(--track); padding-left: 10px; }
    dt { font-size: 12px; color: var(--soft); }
    dd { margin: 0; font-size: 19px; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
    .resolver { margin: 0 0 10px; overflow-wrap: anywhere; }
    .label { color: var(--soft); font-size: 13px; margin-right: 4px; }
    .error { color: var(--bad); overflow-wrap: anywhere; margin: 0 0 10px; }
    th .error { display: block; margin: 0; font-size: 12px; }
    [hidden], th .error[hidden] { display: none; }
    .scroll { overflow-x: auto; }
    table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
    th, td { text-align: left; padding: 7px 10px 7px 0; border-top: 1px solid var(--line); font-weight: 400; }
    thead th { border-top: 0; color: var(--soft); font-size: 12px; white-space: nowrap; padding-bottom: 4px; }
    tbody th { font-family: ui-monospace, "Liberation Mono", Menlo, monospace; font-size: 13px; overflow-wrap: anywhere; }
    .number { text-align: right; padding-right: 14px; }
    .number:last-child { padding-right: 0; }
    .wide { width: 34%; min-width: 170px; }
    .share { display: flex; align-items: center; gap: 10px; }
    .track { flex: 1; height: 14px; background: var(--track); border-radius: 7px; overflow: hidden; }
    .fill { display: block; height: 100%; width: 0; background: var(--accent); border-radius: 7px; }
    .percent { min-width: 58px; text-align: right; font-weight: 600; }
    tr.gone th, tr.gone td { color: var(--soft); }
    tr.gone .fill { opacity: .45; }
    figure { margin: 16px 0 0; }
    figcaption, summary { color: var(--soft); font-size: 13px; }
    summary { cursor: pointer; width: max-content; padding: 2px 4px; }
    .histogram { list-style: none; display: flex; align-items: flex-end; gap: 4px; margin: 8px 0 0; padding: 0; overflow-x: auto; }
    .histogram li { flex: 1; min-width: 40px; display: flex; flex-direction: column; align-items: center; font-size: 11px; }
    .column { width: 100%; height: 84px; display: flex; align-items: flex-end; background: linear-gradient(var(--line), var(--line)) bottom / 100% 1px no-repeat; }
    .column span { display: block; width: 100%; background: var(--accent); border-radius: 4px 4px 0 0; height: 0; }
    .count { font-weight: 600; min-height: 16px; font-variant-numeric: tabular-nums; }
    .bound { color: var(--soft); white-space: nowrap; padding-top: 3px; }
    .empty { color: var(--soft); }
    @media (prefers-reduced-motion: no-preference) { .fill, .column span { transition: width .4s, height .4s; } }
    @media (max-width: 640px) { header, main { padding-left: 14px; padding-right: 14px; } }
    @media (forced-colors: active) { .fill, .column span { background: CanvasText; } .state { border: 1px solid CanvasText; } }

    """
}
