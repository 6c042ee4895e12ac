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
    StatusError(.internal, "the interceptor \(type(of: interceptor)) \(fault.rawValue)")
  }
}
