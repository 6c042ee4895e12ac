import Testing
import Volery
import VoleryTesting

/// Code of a user that takes whatever can do a client's calls.
struct Desk {
  let parcels: any ParcelsClientProtocol

  func whereabouts(_ ids: [String]) async throws -> [String] {
    var names: [String] = []
    for id in ids { names.append(try await parcels.track(Parcel(id: id)).name) }
    return names
  }

  func user(_ id: String) async throws -> String? {
    try await parcels.trackResponse(to: Parcel(id: id)).trailingMetadata["x-user"]
  }

  func history(_ id: String) async throws -> [String] {
    try await parcels.watch(Parcel(id: id)).reduce(into: []) { $0.append($1.name) }
  }
}

@Suite("Stand-ins for a generated client", .timeLimit(.minutes(1))) struct StandInTests {
  /// Written by hand: nothing runs but its own code.
  struct Fake: ParcelsClientProtocol {
    var streams: ParcelsClient?

    func track(_ request: Parcel, options: CallOptions) async throws(StatusError) -> Place {
      if request.id == "lost" { throw StatusError(.notFound, "lost") }
      return Place(name: "fake \(request.id)")
    }

    func watch(_ request: Parcel, options: CallOptions) -> ServerStreamingCall<Place> {
      streams!.watch(request, options: options)
    }

    func collect(options: CallOptions) -> ClientStreamingCall<Parcel, Receipt> { streams!.collect(options: options) }

    func route(options: CallOptions) -> BidirectionalCall<Parcel, Place> { streams!.route(options: options) }

    @available(*, deprecated) func old(_ request: Parcel, options: CallOptions) async throws(StatusError) -> Place {
      Place()
    }
  }

  @Test("the generator's protocol takes a type of the test's own, and the real client") func byProtocol() async throws {
    let fake = Desk(parcels: Fake())
    #expect(try await fake.whereabouts(["1", "2"]) == ["fake 1", "fake 2"])
    #expect(try await fake.user("1") == nil)
    let error = await #expect(throws: StatusError.self) { try await fake.whereabouts(["lost"]) }
    #expect(error?.code == .notFound)
    let real = Desk(parcels: ParcelsClient(try .inProcess(Depot())))
    #expect(try await real.whereabouts(["1"]) == ["shelf 1"])
    #expect(try await real.history("h") == ["h1", "h2", "h3"])
  }

  @Test("a channel answers by a closure for each method, every kind of them") func byClosures() async throws {
    let parcels = ParcelsClient(
      try .answering(
        .unary(ParcelsMethods.track) { request, context in
          context.trailingMetadata["x-user"] = "7"
          return Place(name: "closure \(request.id)")
        },
        .serverStreaming(ParcelsMethods.watch) { request, responses, _ in
          try await responses.write(Place(name: "one"))
          throw StatusError(.unavailable, "the depot is closed")
        },
        .clientStreaming(ParcelsMethods.collect) { requests, _ in
          Receipt(count: try await requests.reduce(into: 0) { count, _ in count += 10 })
        },
        .bidirectional(ParcelsMethods.route) { requests, responses, _ in
          for try await request in requests { try await responses.write(Place(name: request.id)) }
        }))
    let desk = Desk(parcels: parcels)
    #expect(try await desk.whereabouts(["1"]) == ["closure 1"])
    #expect(try await desk.user("1") == "7")
    let closed = await #expect(throws: StatusError.self) { try await desk.history("1") }
    #expect(closed?.code == .unavailable && closed?.message == "the depot is closed")
    let collect = parcels.collect()
    try await collect.send(Parcel())
    collect.finish()
    #expect(try await collect.response.count == 10)
    // Streams of a fake are those of a client that is answered so.
    #expect(await (Fake(streams: parcels).watch(Parcel(id: "1"), options: CallOptions()).status).code == .unavailable)
  }

  @Test("a method without a closure says so, with its name") func missing() async throws {
    let parcels = ParcelsClient(try .answering(.unary(ParcelsMethods.track) { _, _ in Place() }))
    let error = await #expect(throws: StatusError.self) { for try await _ in parcels.watch(Parcel()) {} }
    #expect(error?.code == .unimplemented)
    #expect(error?.message == "the test has no closure for /volery.tests.parcels.Parcels/Watch")
  }
}
