package import VoleryClient

/// Decides how a Service's EndpointSlices are followed; never acts (api-concepts of Kubernetes: "Efficient detection of
/// changes").
///
///     list --listed--> watch --the server ends it--> watch, from the last version
///      ^  |              |  ^
///      |  failed         |  +-- failed: waits, then from the last version: nothing is missed, nothing is listed anew
///      |  v              |
///      waits  <----------+-- 410: at once; nonsense: after a wait. The old slices hold until the new list is whole
package struct SliceWatch {
  package enum Step: Equatable, Sendable {
    /// - Parameters:
    ///   - isExact: The newest state there is, and not one that the server has at hand.
    ///   - continuation: Of the page before.
    case list(isExact: Bool, continuation: String?)
    case watch(from: String)
  }

  /// What became of the slices.
  package enum Effect: Equatable, Sendable {
    case none
    /// Whoever uses them has to look.
    case changed
    /// The stream is of no use any more: leave it, and take the next step.
    case left
  }

  /// What people should hear.
  package enum News: Equatable, Sendable {
    case none
    /// Once for each kind of failure in a row.
    case troubled(KubernetesFailure)
    /// It works again.
    case recovered
  }

  package private(set) var slices: EndpointSliceSet
  /// Whether there has been a whole list.
  package private(set) var hasAnswer = false
  private var step = Step.list(isExact: false, continuation: nil)
  private var pages: [EndpointSlice] = []
  private var wait: Duration?
  private var backoff: Backoff
  private let longestWait: Duration
  /// Of the last request that has told anything.
  private var told: KubernetesFailure.Kind?
  private var wasGone = false
  private let limits: KubernetesLimits

  /// A watch that has lasted for so long was one.
  private static let longEnough = Duration.seconds(1)

  package init(limits: KubernetesLimits, backoff: ConnectionBackoff) {
    self.limits = limits
    slices = EndpointSliceSet(limits: limits)
    self.backoff = Backoff(backoff)
    longestWait = max(backoff.maximum, .seconds(1))
  }

  /// What to do now.
  package var next: Step { step }

  /// How long to wait before that; nil: not at all. Asked once.
  package mutating func takeWait() -> Duration? { wait.take() }

  // MARK: What requests bring

  /// A page of a list is there.
  package mutating func listed(_ page: SlicePage) -> (effect: Effect, news: News) {
    pages += page.slices.prefix(max(0, limits.maxSlices + 1 - pages.count))
    // More are not kept, so that more need not be read.
    if let token = page.continuation, pages.count <= limits.maxSlices {
      guard case .list(let isExact, _) = step else { return (.none, .none) }
      step = .list(isExact: isExact, continuation: token)
      return (.none, .none)
    }
    slices.replace(with: pages)
    pages = []
    hasAnswer = true
    step = .watch(from: page.version)
    return (.changed, recovered())
  }

  /// A watch was answered with 200. Whatever it brings, the server can be asked.
  package mutating func watching() -> News { recovered() }

  private mutating func recovered() -> News {
    guard told.take() != nil else { return .none }
    return .recovered
  }

  package mutating func received(_ event: WatchEvent, random: Double) -> (effect: Effect, news: News) {
    switch event {
    case .changed(let slice, let version):
      slices.set(slice)
      return (advanced(to: version, .changed), .none)
    case .deleted(let name, let version):
      slices.remove(name)
      return (advanced(to: version, .changed), .none)
    case .bookmark(let version): return (advanced(to: version, .none), .none)
    case .failed(let failure): return (.left, failed(failure, lasted: .zero, random: random))
    }
  }

  private mutating func advanced(to version: String, _ effect: Effect) -> Effect {
    step = .watch(from: version)
    wasGone = false
    return effect
  }

  /// The server has ended a watch as it should: after its time, or because it ends itself.
  package mutating func watchEnded(lasted: Duration, random: Double) -> News {
    guard lasted < SliceWatch.longEnough else {
      backoff.reset()
      return .none
    }
    return failed(
      KubernetesFailure(.cut, "the API server ends watches as soon as they begin"), lasted: lasted, random: random)
  }

  /// A request has failed, or its stream was cut.
  ///
  /// - Parameter lasted: How long a watch has gone well before.
  package mutating func failed(_ failure: KubernetesFailure, lasted: Duration, random: Double) -> News {
    pages = []
    if failure.kind == .gone {
      // The usual course of things, unless a fresh list is history as well.
      step = .list(isExact: true, continuation: nil)
      if wasGone { delay(backoff.failed(random: random), failure, random) }
      wasGone = true
      return .none
    }
    if lasted >= SliceWatch.longEnough { backoff.reset() }
    delay(backoff.failed(random: random), failure, random)
    switch step {
    case .list(let isExact, _): step = .list(isExact: isExact, continuation: nil)
    // What was in it is not known: everything is asked for again.
    case .watch where failure.kind == .malformed: step = .list(isExact: true, continuation: nil)
    case .watch: break
    }
    // What is mended at once is nobody's business.
    guard !hasAnswer || backoff.failures > 1, told != failure.kind else { return .none }
    told = failure.kind
    return .troubled(failure)
  }

  /// The clients of a server that was away must not come back all at once: half of the wait is random.
  private mutating func delay(_ duration: Duration, _ failure: KubernetesFailure, _ random: Double) {
    let spread = duration * (0.5 + random / 2)
    wait = min(max(spread, failure.retryAfter ?? .zero), longestWait)
  }
}
