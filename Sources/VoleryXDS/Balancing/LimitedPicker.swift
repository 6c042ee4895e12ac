import VoleryLoadBalancing
import VoleryTypes

/// Drops, limits, and asks the child.
struct LimitedPicker: Picker {
  let child: any Picker
  let drops: [EndpointsResource.Drop]
  let limit: UInt32
  let counter: CallCounter
  let random: @Sendable () -> UInt64

  func pick(for call: PickRequest) -> PickResult {
    for drop in drops where random() % 1_000_000 < UInt64(drop.perMillion) {
      return .drop(
        StatusError(.unavailable, "xds: dropped, as the control plane wants (\(XDSResourceError.quote(drop.category)))")
      )
    }
    let result = child.pick(for: call)
    let pick: Pick
    switch result {
    case .pick(let subchannel): pick = Pick(subchannel)
    case .attempt(let attempt): pick = attempt
    case .queue, .fail, .drop: return result
    }
    guard counter.begin(limit: limit) else {
      return .drop(
        StatusError(.unavailable, "xds: the cluster has \(limit) calls, as many as its circuit breaker allows"))
    }
    var counted = pick
    counted.ended = { [counter] end in
      counter.end()
      pick.ended?(end)
    }
    return .attempt(counted)
  }
}
