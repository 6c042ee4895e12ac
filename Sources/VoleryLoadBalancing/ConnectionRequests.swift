/// What stands behind a subchannel, where it can connect at a picker's word.
package protocol ConnectionRequests: AnyObject, Sendable {
  /// On any thread; returns at once.
  func connectionRequested()
}

extension Subchannel {
  /// For a picker that sends the call elsewhere and wants a connection here for those to come: as if the policy had said
  /// `effects.connect`. (One that picks a subchannel without a connection needs not ask: the channel connects it, and the call
  /// waits.) On any thread; it is not free, so a picker asks once, not for each call.
  public func requestConnection() { (connection as? any ConnectionRequests)?.connectionRequested() }
}
