import Synchronization
import VoleryTransport
public import VoleryTypes

/// What a handler knows of its call besides the request, and what it may say besides the response. May be kept and used
/// from any task until the call is over; after that, what it says goes nowhere.
public struct ServerContext: Sendable {
  let call: ServerCall

  @usableFromInline init(_ call: ServerCall) { self.call = call }

  /// The method that was called.
  public var method: MethodDescriptor { call.method }

  /// The client's end of the connection.
  public var peer: Peer { call.peer }

  /// Who the client's certificate says that it is; nil without TLS, or where the client has shown no certificate.
  /// `peer.security` has more: version, cipher, whether the session was resumed.
  public var identity: PeerIdentity? { call.peer.identity }

  /// `:authority`: the name by which the client called.
  public var authority: String { call.head.authority }

  /// The metadata that the client sent.
  public var metadata: Metadata { call.metadata }

  /// When the call has to be over. Calls that the handler makes inherit it.
  public var deadline: Deadline { call.deadline }

  /// Whether the client has cancelled, the connection is lost or the deadline has passed. The handler's task is cancelled
  /// then, too.
  public var isCancelled: Bool { call.isCancelled }

  /// Sent before the first response; setting it after that does nothing. `sendInitialMetadata` sends it without waiting
  /// for a response.
  public var initialMetadata: Metadata {
    get { call.responseMetadata.initial }
    nonmutating set { call.responseMetadata.initial = newValue }
  }

  /// Sent with the status.
  public var trailingMetadata: Metadata {
    get { call.responseMetadata.trailing }
    nonmutating set { call.responseMetadata.trailing = newValue }
  }

  /// How the responses are compressed: `ServerOptions.compression` at first. Setting it after the first response does
  /// nothing, and so does one that the client can't read.
  public var responseCompression: Compression {
    get { call.responseCompression.current }
    nonmutating set {
      if call.head.acceptedEncodings.contains(newValue) { call.responseCompression.choose(newValue) }
    }
  }

  /// Whether the request that was read last came compressed.
  public var isRequestCompressed: Bool { call.isRequestCompressed }

  /// Sends `initialMetadata` now.
  public func sendInitialMetadata() { call.sendInitialMetadata() }
}

/// The name and type of a value that interceptors leave for the handler. Declare an empty enum for each, and a property for
/// readers:
///
///     enum TenantKey: ServerContextKey { typealias Value = Tenant }
///     extension ServerContext { var tenant: Tenant? { self[TenantKey.self] } }
///
/// The type itself is the key: two modules that call theirs the same have two keys all the same.
public protocol ServerContextKey {
  /// What stands under the key.
  associatedtype Value: Sendable
}

// What interceptors have left for the handler.
extension ServerContext {
  /// What somebody in front of the handler, an interceptor as a rule, has left for it under this key; nil where nobody has.
  /// It belongs to the call, and never travels. Any thread.
  public subscript<Key: ServerContextKey>(key: Key.Type) -> Key.Value? {
    get { call.values.withLock { $0?[ObjectIdentifier(key)] } as? Key.Value }
    nonmutating set { call.values.withLock { $0 = $0 ?? [:]; $0?[ObjectIdentifier(key)] = newValue } }
  }
}

// How a handler learns that its server stops.
extension ServerContext {
  /// Whether the server has begun to stop: it takes no more calls, and this one has until `ServerOptions.drainLimit` (25 s)
  /// to end; then its client gets UNAVAILABLE.
  public var isServerDraining: Bool { call.dispatcher.drainSignal.hasBegun }

  /// Runs `body` until it returns, or until the server begins to stop: then its task is cancelled. For a stream without an end
  /// of its own, which would hold up the server until its drain limit:
  ///
  ///     try await context.untilServerDrains {
  ///       for await price in prices { try await responses.write(price) }
  ///     }
  ///
  /// - Returns: False where `body` was cut short by it. What `body` throws then is dropped: the handler says how the call ends,
  ///   by what it throws itself, or with OK.
  @discardableResult
  public func untilServerDrains(_ body: @escaping @Sendable () async throws -> Void) async throws -> Bool {
    let signal = call.dispatcher.drainSignal
    return try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        try await body()
        return true
      }
      group.addTask {
        await signal.wait()
        return false
      }
      let isWhole = try await group.next() ?? true
      group.cancelAll()
      // Where the waiting was cancelled, it was the call.
      guard isWhole || signal.hasBegun else { throw CancellationError() }
      return isWhole
    }
  }
}
