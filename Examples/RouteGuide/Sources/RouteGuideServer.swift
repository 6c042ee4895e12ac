import Synchronization
import Volery

/// A few places, and the notes that people leave there.
struct RouteGuideServer: RouteGuideService {
  private let features = [
    Feature(name: "Harbour", location: Point(latitude: 10, longitude: 10)),
    Feature(name: "Bakery", location: Point(latitude: 20, longitude: 15)),
    Feature(name: "Lighthouse", location: Point(latitude: 90, longitude: 40)),
  ]
  private let notes = Notes()

  func getFeature(_ request: Point, context: ServerContext) async throws -> Feature {
    features.first { $0.location == request } ?? Feature(location: request)
  }

  func listFeatures(_ request: Rectangle, responses: ResponseWriter<Feature>, context: ServerContext) async throws {
    guard let low = request.low, let high = request.high else {
      throw StatusError(.invalidArgument, "a rectangle needs both corners")
    }
    for feature in features {
      guard let place = feature.location else { continue }
      if (low.latitude...high.latitude).contains(place.latitude),
        (low.longitude...high.longitude).contains(place.longitude)
      {
        try await responses.write(feature)
      }
    }
  }

  func recordRoute(_ requests: RequestStream<Point>, context: ServerContext) async throws -> RouteSummary {
    var summary = RouteSummary()
    for try await point in requests {
      summary.pointCount += 1
      if features.contains(where: { $0.location == point }) { summary.featureCount += 1 }
    }
    return summary
  }

  func routeChat(
    _ requests: RequestStream<RouteNote>, responses: ResponseWriter<RouteNote>, context: ServerContext
  ) async throws {
    for try await note in requests {
      for earlier in notes.leave(note) { try await responses.write(earlier) }
    }
  }
}

private final class Notes: Sendable {
  private let all = Mutex<[RouteNote]>([])

  /// Keeps a note; returns those that were left at its place before.
  func leave(_ note: RouteNote) -> [RouteNote] {
    all.withLock { all in
      defer { all.append(note) }
      return all.filter { $0.location == note.location }
    }
  }
}
