package import VoleryNameResolution
import VoleryTypes

/// Decides what a channel hears: of the API server where it has answered once, and of DNS until then. A value; the resolver
/// does what it says, in order.
package struct AnswerChoice {
  package enum Action: Sendable {
    case publish(ResolverUpdate)
    case startDNS
    case stopDNS
    /// For the log.
    case warn(String)
    case inform(String)
  }

  private let usesDNS: Bool
  private var hasAnswer = false
  private var isAskingDNS = false
  private var hasDNSAnswer = false
  private var isWarned = false
  /// Why the API server has not answered; nil: it is only late.
  private var reason: String?

  package init(usesDNS: Bool) { self.usesDNS = usesDNS }

  /// The API server has answered.
  ///
  /// - Parameter failure: It can't be asked now, and the answer is as old as that.
  package mutating func answered(_ resolution: Resolution, failure: String?) -> [Action] {
    var actions: [Action] = []
    if isAskingDNS {
      isAskingDNS = false
      actions.append(.stopDNS)
      if isWarned { actions.append(.inform("the API server answers; DNS is not asked any more")) }
      isWarned = false
    }
    // Whoever has the answer keeps it while there is a failure.
    if !hasAnswer || failure == nil { actions.append(.publish(.resolved(resolution))) }
    hasAnswer = true
    if let failure { actions.append(.publish(.failed(StatusError(.unavailable, failure)))) }
    return actions
  }

  /// The API server can't be asked, and has never answered.
  package mutating func failed(_ why: String) -> [Action] {
    guard !hasAnswer else { return [] }
    reason = why
    guard usesDNS else { return [.publish(.failed(StatusError(.unavailable, why)))] }
    if hasDNSAnswer { return warning() }
    return startDNS()
  }

  /// The API server has not answered in the time that one would wait for.
  package mutating func isLate() -> [Action] {
    usesDNS && !hasAnswer ? startDNS() : []
  }

  private mutating func startDNS() -> [Action] {
    guard !isAskingDNS else { return [] }
    isAskingDNS = true
    return [.startDNS]
  }

  private mutating func warning() -> [Action] {
    guard let reason, !isWarned else { return [] }
    isWarned = true
    return [.warn("\(reason). DNS is asked instead")]
  }

  package mutating func dnsSaid(_ update: ResolverUpdate) -> [Action] {
    guard isAskingDNS else { return [] }
    let reason = reason ?? "the API server has not answered yet"
    switch update {
    case .resolved(var resolution) where !resolution.endpoints.isEmpty:
      hasDNSAnswer = true
      resolution.note = "\(resolution.note), by DNS: \(reason)"
      return [.publish(.resolved(resolution))] + warning()
    case .resolved(let resolution):
      return [.publish(.failed(StatusError(.unavailable, "\(reason); DNS: \(resolution.note)")))]
    case .failed(let error):
      return [.publish(.failed(StatusError(.unavailable, "\(reason); DNS: \(error.message)")))]
    }
  }
}
