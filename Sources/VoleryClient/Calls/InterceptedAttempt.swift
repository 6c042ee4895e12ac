import Synchronization
import VoleryHTTP2Transport
import VoleryTransport
import VoleryTypes

/// An attempt with interceptors around it: runs them, and the attempt behind the last one. Messages are bytes here.
final class InterceptedAttempt: ClientInvocation, @unchecked Sendable {  // Isolation: loop
  private struct Ending {
    var outcome: StreamOutcome?
    var waiter: UnsafeContinuation<Void, Never>?
    var initialMetadata = Metadata()
    var encoding: String?
  }

  private let callAttempt: CallAttempt
  private let ending = Mutex(Ending())
  /// What asks the credentials. On the connection's loop.
  @exclusivity(unchecked) var preparation: Task<Void, Never>?
  private let codec = Serializer<[UInt8]>.wire

  init(_ attempt: CallAttempt) {
    callAttempt = attempt
    let call = attempt.call
    super.init(
      method: call.method, metadata: call.metadata, attempt: attempt.place.previousAttempts + 1,
      interceptors: call.channel.options.attemptInterceptors)
  }

  override var deadline: Deadline {
    get { callAttempt.call.deadline }
    set {}
  }

  override var peer: Peer? { callAttempt.connection.peer }
  override var receivedInitialMetadata: Metadata { ending.withLock { $0.initialMetadata } }
  override var receivedTrailingMetadata: Metadata { ending.withLock { $0.outcome?.trailingMetadata } ?? Metadata() }

  override func isHeld(by index: Int) {
    let holder = index < interceptors.count ? type(of: interceptors[index]) : nil
    callAttempt.call.state.withLock { $0.holder = holder }
  }

  /// Runs it all; how the attempt has ended.
  func run() async -> StreamOutcome {
    do {
      try await runAll()
      return StreamOutcome(status: .ok, trailingMetadata: trailingMetadata, origin: .peer)
    } catch {
      let thrown = self.outcome(of: error)
      // What the transport said of it (may it be repeated?) holds as long as no interceptor says something else.
      if let outcome = ending.withLock({ $0.outcome }), outcome.error == thrown.ofCall { return outcome }
      let trailing = state.withLock { $0.trailingMetadata } ?? thrown.metadata
      return StreamOutcome(status: thrown.status, trailingMetadata: trailing, origin: thrown.origin)
    }
  }

  // MARK: Behind the last interceptor

  override func begin(from index: Int) throws(StatusError) {
    let (mayGoOn, metadata) = state.withLock { ($0.goOn(index), $0.metadata) }
    guard mayGoOn else { throw Interception.error(.twice, by: interceptors[index]) }
    isHeld(by: index + 1)
    callAttempt.onLoop { [callAttempt] in callAttempt.proceed(with: metadata) }
  }

  override func waits(_ waiter: UnsafeContinuation<Void, Never>) -> Bool {
    ending.withLock { ending in
      guard ending.outcome == nil else { return false }
      ending.waiter = waiter
      return true
    }
  }

  override func ended(backAt index: Int) throws(StatusError) {
    isBack(at: index)
    if let error = ending.withLock({ $0.outcome?.error }) { throw error }
  }

  // MARK: On the connection's loop

  func received(_ metadata: Metadata, _ encoding: String?) {
    ending.withLock { ending in
      ending.initialMetadata = metadata
      ending.encoding = encoding
    }
  }

  /// The stream is over, or the call is.
  func ended(_ outcome: StreamOutcome) {
    preparation.take()?.cancel()
    ending.withLock { ending in
      if ending.outcome == nil { ending.outcome = outcome }
      return ending.waiter.take()
    }?.resume()
  }

  func request(_ frame: MessageFrame) throws(StatusError) -> MessageFrame {
    let hooks = state.withLock { $0.requestHooks }
    guard !hooks.isEmpty else { return frame }
    let call = callAttempt.call
    let isCompressed = frame.head[0] == 1
    var bytes = Array(frame.joined.dropFirst(MessageSink.prefixByteCount))
    if isCompressed {
      bytes = try call.compression.inflate(ReceivedMessage(bytes, isCompressed: true), limit: call.maxRequestBytes)
    }
    return try call.frame(try apply(hooks, to: bytes), codec, isCompressed: isCompressed)
  }

  func response(_ received: ReceivedMessage) throws(StatusError) -> ReceivedMessage {
    let hooks = state.withLock { $0.responseHooks }
    guard !hooks.isEmpty else { return received }
    let bytes = try callAttempt.call.bytes(of: received, encoding: ending.withLock { $0.encoding })
    return ReceivedMessage(try apply(hooks, to: bytes), isCompressed: false)
  }

  private func apply(_ hooks: MessageHooks, to bytes: [UInt8]) throws(StatusError) -> [UInt8] {
    var message = InterceptedMessage(bytes: bytes, codec)
    do {
      try hooks.apply(to: &message)
      return try message.bytes()
    } catch {
      throw outcome(of: error)
    }
  }
}
