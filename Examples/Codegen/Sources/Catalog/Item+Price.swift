// SwiftPM wants a source file of the target's own beside what the plugin makes.

extension Item {
  /// The price as people write it.
  public var price: String { "\(priceCents / 100).\(priceCents % 100 < 10 ? "0" : "")\(priceCents % 100)" }
}
