/// Foresees when a server ends a connection, from how it ended those before: after so many calls (nginx's
/// `keepalive_requests` and its like), or at an age (gRFC A9, proxies). So the next connection is there in time, and no call
/// waits for it. A value; it decides, `ConnectionRenewal` acts.
///
/// It goes by goodbyes (GOAWAY) of connections that had served calls; twice the same is a habit. A habit that is gone is
/// forgotten with the next goodbye: the next connection only stands by until then, so that each one shows its end.
package struct ConnectionForesight {
  /// When the next connection should be made: whichever comes first; both nil: there is no knowing.
  package struct Forecast: Equatable {
    /// As soon as the present one has opened so many streams.
    package var streams: Int?
    /// As soon as it is so old.
    package var age: Duration?

    package init(streams: Int? = nil, age: Duration? = nil) {
      self.streams = streams
      self.age = age
    }
  }

  /// How one connection was ended by its server.
  package struct End {
    var streams: Int
    var age: Duration
    /// From the start of the dial to the server's SETTINGS.
    var connectTime: Duration

    package init(streams: Int, age: Duration, connectTime: Duration = .zero) {
      self.streams = streams
      self.age = age
      self.connectTime = connectTime
    }
  }

  /// Servers with a maximum age differ it by a tenth in both directions.
  private static let ageSpread = 0.25
  /// Below this an age is nothing that a server would count by.
  private static let minAge = Duration.milliseconds(500)
  /// Share of a life that the next connection comes earlier, at least.
  private static let lead = 0.1

  private var last: End?
  package private(set) var forecast = Forecast()

  package init() {}

  /// Whether the server ends connections by habit: that another one has ended says nothing of the server.
  package var isHabit: Bool { forecast != Forecast() }

  /// Whether this end is the one that was to be expected.
  package func expects(_ end: End) -> Bool {
    if let streams = forecast.streams { return end.streams >= streams }
    if let age = forecast.age { return end.age >= age }
    return false
  }

  /// The server has said goodbye to a connection that had served calls.
  package mutating func ended(_ end: End) {
    defer { last = end }
    forecast = Forecast()
    guard let last else { return }
    let streams = min(end.streams, last.streams)
    let age = min(end.age, last.age)
    let connectTime = max(end.connectTime, last.connectTime)
    // Twice the time, as the next one may take longer.
    let share = max(ConnectionForesight.lead, connectTime * 2 / max(age, .milliseconds(1)))
    if streams > 0, abs(end.streams - last.streams) <= max(end.streams, last.streams) / 50 {
      let lead = min(Double(streams), (Double(streams) * share).rounded(.up))
      forecast.streams = max(1, streams - Int(lead))
    } else if age >= ConnectionForesight.minAge, max(end.age, last.age) <= age * (1 + ConnectionForesight.ageSpread) {
      forecast.age = age * max(0.5, 1 - share)
    }
  }
}
