/// What interceptors have said of a call so far, on either side. A value, guarded by the call's invocation.
package struct Interception: Sendable {
  /// A call can have so many interceptors.
  package static let maxInterceptors = 64

  /// Of the request, as the interceptors leave it.
  package var metadata: Metadata
  /// Nil: as the server has sent it.
  package var initialMetadata: Metadata?
  package var trailingMetadata: Metadata?
  package var requestHooks = MessageHooks()
  package var responseHooks = MessageHooks()
  /// One of them has answered by itself.
  package var hasAnswered = false
  /// A bit for each one that has gone on.
  private var goneOn: UInt64 = 0
  /// Whose turn it is: the number of an interceptor, or how many there are while the call itself has it.
  package private(set) var holder = 0

  package init(metadata: Metadata) { self.metadata = metadata }

  /// The interceptor with this number goes on. Returns false when it has before.
  package mutating func goOn(_ index: Int) -> Bool {
    let bit: UInt64 = 1 << UInt64(index)
    guard goneOn & bit == 0 else { return false }
    goneOn |= bit
    holder = index + 1
    return true
  }

  /// What is behind the interceptor with this number is over.
  package mutating func isBack(at index: Int) { holder = index }

  /// Whether the interceptor with this number may return: it has gone on, or somebody has answered.
  package func mayReturn(_ index: Int) -> Bool { hasAnswered || goneOn & 1 << UInt64(index) != 0 }

  /// What an interceptor has done that it may not.
  package enum Fault: String {
    case twice = "went on twice"
    case neither = "neither went on nor answered"
  }

  /// INTERNAL, and whose fault it is.
  package static func error(_ fault: Fault, by interceptor: Any) -> StatusError {
    StatusError(.internal, "the interceptor \(type(of: interceptor)) \(fault.rawValue)")
  }
}
