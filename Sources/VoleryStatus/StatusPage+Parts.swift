extension StatusPage {
  /// The page (`text/html; charset=utf-8`): one file, which loads nothing but `status.json` beside it. It is the same for everybody.
  public static let html = Array(
    (markup + "<style>" + style + "</style>" + bodyMarkup + "<script>" + script + "</script>\n</html>\n").utf8)

  /// What to send with the page, besides its content type: a browser then runs the page's own script and nothing else, fetches from
  /// nowhere else, and shows it in nobody's frame.
  public static let headers: [(name: String, value: String)] = [
    ("cache-control", "no-store"),
    (
      "content-security-policy",
      "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-\(scriptHash)'; connect-src 'self'; img-src data:; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
  ]

  /// Of the script, in base64. A test computes it.
  static let scriptHash = "f0CIUJi1+VJ9zO3EFW/tHjE1Mza5LFWco9yxyGERaAo="
}
