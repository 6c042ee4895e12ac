import Synchronization
import VoleryHTTP2Transport
import VoleryTransport
import VoleryTypes

/// An attempt with interceptors around it: runs them, and the attempt behind the last one. Messages are bytes here.
final class InterceptedAttempt: @unchecked Sendable {  // Isolation: loop
  private struct Ending {
    var outcome: StreamOutcome?
    var waiter: UnsafeContinuation<Void, Never>?
    var initialMetadata = Metadata()
    var encoding: String?
  }

  let interception: ClientInterception
  /// 1 for the first.
  let number: Int
  private let callAttempt: CallAttempt
  private let ending = Mutex(Ending())
  /// What asks the credentials. On the connection's loop.
  @exclusivity(unchecked) var preparation: Task<Void, Never>?
  private let codec = Serializer<[UInt8]>.wire

  init(_ attempt: CallAttempt) {
    callAttempt = attempt
    number = attempt.place.previousAttempts + 1
    interception = ClientInterception(attempt.call.channel.options.attemptInterceptors)
  }

  var call: ClientCall { callAttempt.call }
  var peer: Peer { callAttempt.connection.peer }
  var initialMetadata: Metadata { ending.withLock { $0.initialMetadata } }
  var trailingMetadata: Metadata { ending.withLock { $0.outcome?.trailingMetadata } ?? Metadata() }

  /// Runs it all; how the attempt has ended.
  func run() async -> StreamOutcome {
    let invocation = ClientInvocation(self)
    noteHolder()
    defer { interception.forgetHooks() }
    do {
      try await interception[0].intercept(invocation, ClientInvocation.Next(invocation, index: 0))
      guard interception.mayReturn(0) else { throw Interception.error(.neither, by: interception[0]) }
      return StreamOutcome(status: .ok, trailingMetadata: invocation.trailingMetadata, origin: .peer)
    } catch {
      let thrown = Interception.failure(error, by: type(of: interception[0]))
      // What the transport said of it (may it be repeated?) holds as long as no interceptor says something else.
      if let outcome = ending.withLock({ $0.outcome }), outcome.error == thrown.ofCall { return outcome }
      let trailing = interception.changes?.trailingMetadata ?? thrown.metadata
      return StreamOutcome(status: thrown.status, trailingMetadata: trailing, origin: thrown.origin)
    }
  }

  /// The last interceptor, which has this number, goes on: runs the attempt to its end.
  ///
  /// - Throws: How it has ended, if not with OK.
  func run(from index: Int) async throws {
    guard interception.goOn(index) else { throw Interception.error(.twice, by: interception[index]) }
    noteHolder()
    let metadata = interception.changes?.metadata
    callAttempt.onLoop { [callAttempt] in callAttempt.proceed(with: metadata) }
    await withUnsafeContinuation { waiter in
      if !waits(waiter) { waiter.resume() }
    }
    interception.isBack(at: index)
    noteHolder()
    if interception.hasChanges { interception.responsesEnded() }
    if let error = ending.withLock({ $0.outcome?.error }) { throw error }
  }

  /// Whose turn it is, for who says why the call took so long.
  func noteHolder() {
    let holder = interception.heldBy
    call.withState { $0.holder = holder }
  }

  /// False: it has ended.
  private func waits(_ waiter: UnsafeContinuation<Void, Never>) -> Bool {
    ending.withLock { ending in
      guard ending.outcome == nil else { return false }
      ending.waiter = waiter
      return true
    }
  }

  // MARK: On the connection's loop

  /// Returns what the caller gets of it.
  func received(_ metadata: Metadata, _ encoding: String?) -> Metadata {
    let metadata = interception.hooked(metadata, from: peer)
    ending.withLock { ending in
      ending.initialMetadata = metadata
      ending.encoding = encoding
    }
    return metadata
  }

  /// The stream is over, or the call is.
  func ended(_ outcome: StreamOutcome) {
    preparation.take()?.cancel()
    ending.withLock { ending in
      if ending.outcome == nil { ending.outcome = outcome }
      return ending.waiter.take()
    }?.resume()
  }

  /// There are no more requests.
  func requestsEnded() {
    if interception.hasChanges { interception.requestsEnded() }
  }

  func request(_ frame: MessageFrame) throws(StatusError) -> MessageFrame {
    guard let hooks = interception.changes?.requestHooks, !hooks.isEmpty else { return frame }
    let isCompressed = frame.head[0] == 1
    var bytes = frame.messageBytes
    if isCompressed {
      bytes = try call.compression.inflate(ReceivedMessage(bytes, isCompressed: true), limit: call.maxRequestBytes)
    }
    return try call.frame(try apply(hooks, to: bytes), codec, isCompressed: isCompressed)
  }

  func response(_ received: ReceivedMessage) throws(StatusError) -> ReceivedMessage {
    guard let hooks = interception.changes?.responseHooks, !hooks.isEmpty else { return received }
    let bytes = try call.bytes(of: received, encoding: ending.withLock { $0.encoding })
    return ReceivedMessage(try apply(hooks, to: bytes), isCompressed: false)
  }

  private func apply(_ hooks: MessageHooks, to bytes: [UInt8]) throws(StatusError) -> [UInt8] {
    do {
      return try ClientInterception.apply(hooks, to: bytes, codec)
    } catch {
      throw Interception.failure(error, by: nil)
    }
  }
}
