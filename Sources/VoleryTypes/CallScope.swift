/// What a call inherits from the handler in which it is made.
package enum CallScope {
  /// The deadline of the server's call that the current task works for; `.none` outside of handlers and where the caller
  /// gave none. Bound by the server, read by the client (`CallOptions.inheritsDeadline`).
  @TaskLocal package static var deadline: Deadline = .none
}
