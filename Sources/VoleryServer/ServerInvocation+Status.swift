public import VoleryTypes

extension ServerInvocation {
  /// What the client is told where the call ends with this error; nil: the handler has returned. As the rules of
  /// `MethodHandler` have it: a `StatusError` that was made here is told as it is, anything else is UNKNOWN. A call that was
  /// over before (the client has cancelled, its deadline has passed, the server's time to drain has) has ended with that.
  ///
  /// For interceptors that log or count: what is in front of them may still say something else.
  public func status(for error: (any Error)?) -> Status {
    if let code = call.endedBy { return Status(code: code) }
    switch error {
    case nil: return .ok
    case let error as StatusError where error.origin == .local: return error.status
    case is CancellationError: return Status(code: .cancelled)
    default: return Status(code: .unknown)
    }
  }
}
