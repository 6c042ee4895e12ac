import VoleryPrimitives
package import VoleryTypes
package import VoleryWellKnownTypes

/// The client's side of a stream of aggregated discovery (xDS transport protocol, state of the world): which resources are
/// wanted, what was accepted, what to send, and who has to hear of it. A value that decides.
///
///     subscribe/unsubscribe ──> .send (all names of the type, the version and nonce that hold)
///     received ──> .send (ACK: the new version; NACK: the one before, with the reason for each resource), .changed
///     no answer within 15 s ──> .changed (the resource does not exist, gRFC A57)
///
/// What was accepted is kept whatever happens to the stream.
package struct ADSMachine {
  package enum Action: Equatable {
    case send(Request)
    /// Whoever wants it should look again.
    case changed(ResourceKey)
    /// For the log.
    case complain(String)
  }

  /// What goes to the control plane.
  package struct Request: Equatable, Sendable {
    package let type: XDSResourceType
    /// Sorted.
    package let names: [String]
    /// The last that was accepted; empty at first.
    package let version: String
    /// Of the response that this answers; empty on a new stream.
    package let nonce: String
    /// Nil: accepted, or nothing to say of it.
    package let error: String?

    package init(type: XDSResourceType, names: [String], version: String, nonce: String, error: String?) {
      self.type = type
      self.names = names
      self.version = version
      self.nonce = nonce
      self.error = error
    }
  }

  package struct Response {
    package let type: XDSResourceType
    package let version: String
    package let nonce: String
    package let resources: [ReadResource]

    package init(_ type: XDSResourceType, version: String, nonce: String, resources: [ReadResource]) {
      self.type = type
      self.version = version
      self.nonce = nonce
      self.resources = resources
    }
  }

  fileprivate struct Record {
    var view = ResourceView.waiting
    /// When it counts as one that does not exist; nil: it has been heard of, or there is no stream.
    var limit: ContinuousClock.Instant?
    var standing = ResourceDump.Standing.requested
    var version = ""
    var updated: Google_Protobuf_Timestamp?
    var content: Google_Protobuf_Any?
    var refusal: ResourceDump.Refusal?
  }

  private struct Subscription {
    var records: [String: Record] = [:]
    var version = ""
    var nonce = ""
  }

  package static let doesNotExistTimeout = Duration.seconds(15)
  /// Of each type.
  package static let maxNames = 10_000
  /// Bytes of the reasons that the control plane is told.
  private static let maxErrorLength = 4000

  private var types: [XDSResourceType: Subscription] = [:]
  private var isConnected = false
  /// `ignore_resource_deletion` (gRFC A53) of the server that is asked.
  package var keepsDeleted: Bool
  private var actions: [Action] = []

  /// - Parameter keepsDeleted: `ignore_resource_deletion` (gRFC A53): what a response leaves out stays.
  package init(keepsDeleted: Bool = false) { self.keepsDeleted = keepsDeleted }

  /// What has to be done now, in order.
  package mutating func takeActions() -> [Action] {
    defer { actions = [] }
    return actions
  }

  package func view(_ key: ResourceKey) -> ResourceView { types[key.type]?.records[key.name]?.view ?? .waiting }

  // MARK: Who wants what

  /// Exactly these are wanted from now on.
  package mutating func want(_ keys: Set<ResourceKey>, now: ContinuousClock.Instant) {
    for type in XDSResourceType.allCases {
      let names = Set(keys.lazy.filter { $0.type == type }.map(\.name))
      var subscription = types[type] ?? Subscription()
      let old = Set(subscription.records.keys)
      guard names != old else { continue }
      for name in old.subtracting(names) { subscription.records[name] = nil }
      for name in names.subtracting(old).sorted() {
        guard subscription.records.count < ADSMachine.maxNames else {
          actions.append(.complain("more than \(ADSMachine.maxNames) resources of the type \(type) are wanted"))
          break
        }
        let limit = isConnected ? now.advanced(by: ADSMachine.doesNotExistTimeout) : nil
        subscription.records[name] = Record(limit: limit)
      }
      types[type] = subscription
      if isConnected { send(type, error: nil) }
    }
  }

  // MARK: The stream

  /// - Parameter isSameServer: Whether the versions that were accepted are this one's.
  package mutating func connected(now: ContinuousClock.Instant, isSameServer: Bool = true) {
    isConnected = true
    for type in XDSResourceType.allCases {
      guard var subscription = types[type] else { continue }
      subscription.nonce = ""
      if !isSameServer { subscription.version = "" }
      for (name, record) in subscription.records where record.view == .waiting {
        subscription.records[name]?.limit = now.advanced(by: ADSMachine.doesNotExistTimeout)
      }
      types[type] = subscription
      if !subscription.records.isEmpty { send(type, error: nil) }
    }
  }

  /// - Parameter error: Why; nil: it ended after it had brought something (gRFC A57), which is nobody's business.
  package mutating func disconnected(_ error: StatusError?) {
    isConnected = false
    for type in XDSResourceType.allCases {
      for (name, record) in types[type]?.records ?? [:] {
        types[type]?.records[name]?.limit = nil
        guard let error, case .waiting = record.view else { continue }
        types[type]?.records[name]?.standing = .unreachable
        change(ResourceKey(type, name), to: .failed(error))
      }
    }
  }

  /// Whether something is wanted of which no control plane has said anything yet.
  package var isMissing: Bool {
    types.values.contains { $0.records.values.contains { $0.standing == .requested || $0.standing == .unreachable } }
  }

  /// What a server is sent that knows nothing of this client.
  package var firstRequests: [Request] {
    XDSResourceType.allCases.compactMap { type in
      guard let names = types[type]?.records.keys.sorted(), !names.isEmpty else { return nil }
      return Request(type: type, names: names, version: "", nonce: "", error: nil)
    }
  }

  /// By type and name.
  package var dump: [ResourceDump] {
    XDSResourceType.allCases.flatMap { type in
      (types[type]?.records ?? [:]).sorted { $0.key < $1.key }.map { name, record in
        ResourceDump(
          key: ResourceKey(type, name), standing: record.standing, version: record.version, updated: record.updated,
          content: record.content, refusal: record.refusal)
      }
    }
  }

  /// A response of a type that nobody wants is passed over.
  ///
  /// - Parameter time: For those who look from outside.
  package mutating func received(_ response: Response, at time: Google_Protobuf_Timestamp? = nil) {
    let type = response.type
    guard types[type] != nil else { return }
    var reasons: [String] = []
    var seen: Set<String> = []
    for (index, resource) in response.resources.enumerated() {
      if case .failure(let error) = resource.result {
        reasons.append("\(resource.name.map { "\(ResourceKey(type, $0))" } ?? "resources[\(index)]"): \(error)")
      }
      guard let name = resource.name, let record = types[type]?.records[name] else { continue }
      guard seen.insert(name).inserted else { continue }
      types[type]?.records[name]?.note(resource, response.version, at: time)
      switch resource.result {
      case .success(let value): change(ResourceKey(type, name), to: .known(value))
      case .failure(let error):
        // The last good one holds.
        guard case .known = record.view else {
          change(ResourceKey(type, name), to: .failed(refusal(ResourceKey(type, name), error)))
          continue
        }
      }
    }
    if type.isWholeWorld, !keepsDeleted {
      for (name, record) in types[type]?.records ?? [:] where !seen.contains(name) {
        guard case .known = record.view else { continue }
        types[type]?.records[name]?.goes()
        change(ResourceKey(type, name), to: .failed(absence(ResourceKey(type, name))))
      }
    }
    types[type]?.nonce = response.nonce
    if reasons.isEmpty {
      types[type]?.version = response.version
      send(type, error: nil)
    } else {
      let text = String(reasons.joined(separator: "; ").prefix(ADSMachine.maxErrorLength))
      actions.append(.complain("refused: \(text)"))
      send(type, error: text)
    }
  }

  /// What has not come by now does not exist (gRFC A57).
  package mutating func expire(now: ContinuousClock.Instant) {
    for (type, subscription) in types {
      for (name, record) in subscription.records {
        guard let limit = record.limit, limit <= now else { continue }
        types[type]?.records[name]?.limit = nil
        types[type]?.records[name]?.goes()
        change(ResourceKey(type, name), to: .failed(absence(ResourceKey(type, name))))
      }
    }
  }

  /// When `expire` should be called; nil: nothing is waited for.
  package var nextLimit: ContinuousClock.Instant? {
    types.values.lazy.flatMap(\.records.values).compactMap(\.limit).min()
  }

  // MARK: Parts

  private mutating func change(_ key: ResourceKey, to view: ResourceView) {
    guard types[key.type]?.records[key.name]?.view != view else { return }
    types[key.type]?.records[key.name]?.view = view
    actions.append(.changed(key))
  }

  private mutating func send(_ type: XDSResourceType, error: String?) {
    guard isConnected, let subscription = types[type] else { return }
    actions.append(
      .send(
        Request(
          type: type, names: subscription.records.keys.sorted(), version: subscription.version,
          nonce: subscription.nonce, error: error)))
  }

  private func absence(_ key: ResourceKey) -> StatusError {
    StatusError(.unavailable, "xds: \(key) does not exist")
  }

  private func refusal(_ key: ResourceKey, _ error: XDSResourceError) -> StatusError {
    StatusError(.unavailable, "xds: \(key) is refused: \(String(line: error.description, limit: 500))")
  }
}

extension ADSMachine.Record {
  /// For those who look from outside.
  mutating func note(_ resource: ReadResource, _ version: String, at time: Google_Protobuf_Timestamp?) {
    limit = nil
    switch resource.result {
    case .success:
      standing = .accepted
      self.version = version
      updated = time
      content = resource.content
      refusal = nil
    case .failure(let error):
      standing = .refused
      refusal = ResourceDump.Refusal(
        version: version, reason: error.description, at: time ?? Google_Protobuf_Timestamp(), content: resource.content)
    }
  }

  /// It does not exist.
  mutating func goes() {
    standing = .doesNotExist
    version = ""
    updated = nil
    content = nil
  }
}
