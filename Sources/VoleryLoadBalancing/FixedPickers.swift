public import VoleryTypes

/// Lets calls wait: connections are on their way.
public struct QueueingPicker: Picker {
  public init() {}

  public func pick(for call: PickRequest) -> PickResult { .queue }
}

/// Fails calls: nothing can be reached.
public struct FailingPicker: Picker {
  public let error: StatusError

  public init(error: StatusError) { self.error = error }

  public func pick(for call: PickRequest) -> PickResult { .fail(error) }
}

/// Uses one subchannel for everything.
public struct SinglePicker: Picker {
  public let subchannel: Subchannel

  public init(subchannel: Subchannel) { self.subchannel = subchannel }

  public func pick(for call: PickRequest) -> PickResult { .pick(subchannel) }
}
