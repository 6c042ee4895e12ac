import VoleryTypes

/// Several observers as one, each told in their order.
package final class ObserverList: Observer {
  package static let limit = 16

  private let observers: [any Observer]

  /// Nil for none; one stands for itself.
  ///
  /// - Precondition: at most `limit`.
  package static func observer(of observers: [any Observer]) -> (any Observer)? {
    precondition(observers.count <= limit, "there can be \(limit) observers, not \(observers.count)")
    return observers.count > 1 ? ObserverList(observers) : observers.first
  }

  private init(_ observers: [any Observer]) { self.observers = observers }

  package func callStarted(_ call: ObservedCall) -> (any CallObserver)? {
    let found = observers.compactMap { $0.callStarted(call) }
    return found.count > 1 ? CallObserverList(found) : found.first
  }

  package func callStarted(_ call: ObservedServerCall) -> (any ServerCallObserver)? {
    let found = observers.compactMap { $0.callStarted(call) }
    return found.count > 1 ? ServerCallObserverList(found) : found.first
  }

  package func opened(_ connection: ConnectionGauge) {
    for observer in observers { observer.opened(connection) }
  }

  package func happened(_ event: ChannelEvent, to channel: ObservedChannel) {
    for observer in observers { observer.happened(event, to: channel) }
  }

  package func happened(_ event: ControlPlaneEvent, of target: String) {
    for observer in observers { observer.happened(event, of: target) }
  }

  package func happened(_ event: ServerEvent, to server: ObservedServer) {
    for observer in observers { observer.happened(event, to: server) }
  }
}

private final class CallObserverList: CallObserver {
  private let observers: [any CallObserver]

  init(_ observers: [any CallObserver]) { self.observers = observers }

  func attemptStarted(_ attempt: ObservedAttempt, metadata: inout Metadata) -> (any AttemptObserver)? {
    var found: [any AttemptObserver] = []
    for observer in observers {
      if let observer = observer.attemptStarted(attempt, metadata: &metadata) { found.append(observer) }
    }
    return found.count > 1 ? AttemptObserverList(found) : found.first
  }

  func ended(_ end: CallEnd) {
    for observer in observers { observer.ended(end) }
  }

  var hearsAttempts: Bool { observers.contains(where: \.hearsAttempts) }
}

private final class AttemptObserverList: AttemptObserver {
  private let observers: [any AttemptObserver]

  init(_ observers: [any AttemptObserver]) { self.observers = observers }

  func sent(_ message: ObservedMessage) {
    for observer in observers { observer.sent(message) }
  }

  func received(_ initialMetadata: Metadata) {
    for observer in observers { observer.received(initialMetadata) }
  }

  func received(_ message: ObservedMessage) {
    for observer in observers { observer.received(message) }
  }

  func ended(_ end: AttemptEnd) {
    for observer in observers { observer.ended(end) }
  }

  var hearsUncompressedSizes: Bool { observers.contains(where: \.hearsUncompressedSizes) }
}

private final class ServerCallObserverList: ServerCallObserver {
  private let observers: [any ServerCallObserver]

  init(_ observers: [any ServerCallObserver]) { self.observers = observers }

  func received(_ message: ObservedMessage) {
    for observer in observers { observer.received(message) }
  }

  func sent(_ initialMetadata: Metadata) {
    for observer in observers { observer.sent(initialMetadata) }
  }

  func sent(_ message: ObservedMessage) {
    for observer in observers { observer.sent(message) }
  }

  func ended(_ end: ServerCallEnd) {
    for observer in observers { observer.ended(end) }
  }

  var handlerBinding: HandlerBinding? { HandlerBinding(observers.compactMap(\.handlerBinding)) }

  var hearsMessages: Bool { observers.contains(where: \.hearsMessages) }

  var hearsUncompressedSizes: Bool { observers.contains(where: \.hearsUncompressedSizes) }
}
