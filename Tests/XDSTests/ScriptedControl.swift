import Synchronization
import TestSupport
import Volery
import VoleryProtobuf
import VoleryTypes
import VoleryWellKnownTypes
import VoleryXDS

/// A control plane within the test, which says whatever it is told to, right or wrong, as often as the test wants.
final class ScriptedControl: Sendable {
  private static let stream = Method<[UInt8], [UInt8]>(
    service: "envoy.service.discovery.v3.AggregatedDiscoveryService", name: "StreamAggregatedResources",
    kind: .bidirectional)

  private enum Event: Sendable {
    case asked(WireDiscoveryRequest)
    case changed(XDSResourceType)
    /// Bytes in the place of an answer.
    case bytes([UInt8])
  }

  private struct World {
    var resources: [XDSResourceType: [Google_Protobuf_Any]] = [:]
    var versions: [XDSResourceType: Int] = [:]
    var streams: [Int: AsyncStream<Event>.Continuation] = [:]
    var opened = 0
    var refusals: [String] = []
    var accepted = 0
    var isMute = false
    var sendsRefusedAgain = false
  }

  private struct Discovery: Service {
    let control: ScriptedControl
    var handlers: [MethodHandler] {
      [
        .bidirectional(ScriptedControl.stream) { requests, writer, _ in
          try await control.converse(requests, writer)
        }
      ]
    }
  }

  private let world = Mutex(World())
  private let server = Mutex<Server?>(nil)

  /// Listens; returns the port.
  @discardableResult func start(port: Int = 0) throws -> Int {
    let made = Server(services: [Discovery(control: self)])
    guard case .tcp(_, let port) = try made.start(listeningOn: .tcp("127.0.0.1", port))[0] else { fatalError() }
    server.withLock { $0 = made }
    return port
  }

  func stop() { server.withLock { $0 }?.shutDown() }

  /// The reasons that it was told (NACK).
  var refusals: [String] { world.withLock { $0.refusals } }
  /// How many answers were accepted (ACK).
  var accepted: Int { world.withLock { $0.accepted } }
  /// How many streams there have been.
  var streams: Int { world.withLock { $0.opened } }

  /// Answers nothing, until it does again: then what has been asked for meanwhile.
  func mute(_ isMute: Bool) {
    world.withLock { world in
      world.isMute = isMute
      guard !isMute else { return }
      for stream in world.streams.values { for type in XDSResourceType.allCases { stream.yield(.changed(type)) } }
    }
  }

  /// Whatever is refused is sent again, at once.
  func sendRefusedAgain() { world.withLock { $0.sendsRefusedAgain = true } }

  /// The whole set of a type.
  func set(_ type: XDSResourceType, _ resources: [Google_Protobuf_Any]) {
    world.withLock { world in
      world.resources[type] = resources
      world.versions[type, default: 0] += 1
      for stream in world.streams.values { stream.yield(.changed(type)) }
    }
  }

  func set(_ type: XDSResourceType, _ messages: any Message...) throws {
    set(type, try messages.map { try Google_Protobuf_Any(packing: $0) })
  }

  /// Something in the place of an answer, to everybody.
  func send(_ bytes: [UInt8]) {
    world.withLock { world in for stream in world.streams.values { stream.yield(.bytes(bytes)) } }
  }

  private func converse(_ requests: RequestStream<[UInt8]>, _ writer: ResponseWriter<[UInt8]>) async throws {
    let (events, sink) = AsyncStream.makeStream(of: Event.self)
    let number = world.withLock { world in
      world.opened += 1
      world.streams[world.opened] = sink
      return world.opened
    }
    defer { world.withLock { $0.streams[number] = nil } }
    try await withThrowingTaskGroup { group in
      group.addTask {
        for try await bytes in requests { sink.yield(.asked(try WireDiscoveryRequest(decoding: bytes))) }
        sink.finish()
      }
      var wanted: [XDSResourceType: [String]] = [:]
      for await event in events {
        switch event {
        case .bytes(let bytes): try await writer.write(bytes)
        case .changed(let type):
          if wanted[type]?.isEmpty == false, let answer = try answer(type) { try await writer.write(answer) }
        case .asked(let request):
          guard let type = XDSResourceType.allCases.first(where: { $0.typeURL == request.typeURL }) else { continue }
          let isNew = wanted.updateValue(request.resourceNames, forKey: type) != request.resourceNames
          let isRefused = note(request)
          if isNew || isRefused, !request.resourceNames.isEmpty, let answer = try answer(type) {
            try await writer.write(answer)
          }
        }
      }
      group.cancelAll()
    }
  }

  /// Whether it has to be answered at once.
  private func note(_ request: WireDiscoveryRequest) -> Bool {
    world.withLock { world in
      guard !request.responseNonce.isEmpty else { return false }
      guard let error = request.errorDetail else {
        world.accepted += 1
        return false
      }
      world.refusals.append(error.message)
      return world.sendsRefusedAgain
    }
  }

  private func answer(_ type: XDSResourceType) throws -> [UInt8]? {
    let (resources, version, isMute) = world.withLock { world in
      (world.resources[type] ?? [], world.versions[type] ?? 0, world.isMute)
    }
    guard !isMute else { return nil }
    return try WireDiscoveryResponse(
      versionInfo: "\(version)", resources: resources, typeURL: type.typeURL, nonce: "\(version)"
    ).encoded()
  }
}
