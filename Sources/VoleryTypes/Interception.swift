/// What holds for interceptors on either side.
package enum Interception {
  /// A call can have so many interceptors.
  package static let maxInterceptors = 64

  /// What an interceptor has done that it may not.
  package enum Fault: String {
    case twice = "went on twice"
    case neither = "neither went on nor answered"
  }

  /// INTERNAL, and whose fault it is.
  package static func error(_ fault: Fault, by interceptor: Any) -> StatusError {
    StatusError(.internal, "the interceptor \(name(of: type(of: interceptor))) \(fault.rawValue)")
  }

  /// What a client's interceptor, or a hook of it, has thrown, as it ends the call: an error of the program's own is UNKNOWN, with its
  /// text and the interceptor's type.
  ///
  /// - Parameter type: Nil: it is not known whose it is.
  package static func failure(_ error: any Error, by type: Any.Type?) -> StatusError {
    let who = type.map { "the interceptor \(name(of: $0))" } ?? "an interceptor"
    return switch error {
    case let error as StatusError: error
    case is CancellationError: StatusError(.cancelled, "\(who) was cancelled")
    default: StatusError(.unknown, "\(who) has failed: \(error)")
    }
  }

  /// An interceptor's type, for people: one that stands around some methods only is called as the user has called it.
  package static func name(of type: Any.Type) -> String {
    guard let selection = type as? any SelectiveInterceptorType.Type else { return "\(type)" }
    return name(of: selection.selected)
  }

  /// What `only` makes of an interceptor.
  package protocol SelectiveInterceptorType {
    static var selected: Any.Type { get }
  }
}
