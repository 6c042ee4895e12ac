/// How a client's calls are split between the servers of its own zone and the others. A value that decides; see `ZoneAwarePolicy`.
package struct ZoneSplit: Hashable, Sendable {
  /// How much more than the mean of all servers those of the zone may get before calls go elsewhere.
  package static let defaultTolerance = 1.25

  /// What is known of the servers: their weights, one each where nobody has said another.
  package struct Capacity: Hashable, Sendable {
    /// Of the zone's own, and of the other zones', as far as they are ready.
    package var own: Double
    package var others: Double
    /// Zones that have a server, ready or not, the own one among them in any case.
    package var zones: Int

    package init(own: Double, others: Double, zones: Int) {
      self.own = own
      self.others = others
      self.zones = zones
    }
  }

  /// The part of the calls that stays in the zone, from 0 to 1.
  ///
  /// Clients are taken to be spread over the zones evenly, unless `clientShare` says which part of them is in this one. So the
  /// zone's own servers would get that part of all calls, and have `own` of `own + others` to serve it with: where they have less
  /// than their part by more than the tolerance, what is above it goes elsewhere. None of them gets more than the tolerance times
  /// what it would get without zones, however few they are.
  package static func localPart(
    of capacity: Capacity, tolerance: Double = defaultTolerance, clientShare: Double? = nil
  ) -> Double {
    guard capacity.own > 0 else { return 0 }
    guard capacity.others > 0 else { return 1 }
    let serverShare = capacity.own / (capacity.own + capacity.others)
    let wanted = clientShare ?? 1 / Double(max(1, capacity.zones))
    return min(1, tolerance * serverShare / wanted)
  }
}
