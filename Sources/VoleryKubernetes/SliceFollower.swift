import VoleryClient
import VoleryTypes

/// What is known of a Service now.
struct SliceState: Sendable {
  /// Nil while there has been no whole list.
  var slices: EndpointSliceSet?
  /// What is wrong now; nil: nothing.
  var failure: KubernetesFailure?
  /// Where it is: `shop`.
  var namespace = ""
  /// Who says so: `https://10.0.0.1:443`.
  var server = ""
}

/// Follows a Service's EndpointSlices until its task is cancelled: does what `SliceWatch` decides.
struct SliceFollower: Sendable {
  /// What makes one follower another than the next.
  struct Settings: Hashable, Sendable {
    var cluster: KubernetesCluster
    var service: String
    var namespace: String?
    var limits: KubernetesLimits
    var backoff: ConnectionBackoff
    var watchDuration: Duration
  }

  let settings: Settings
  /// From 0 up to 1.
  var random: @Sendable () -> Double = { Double.random(in: 0..<1) }

  /// A server that sends bookmarks says something each minute.
  private static let watchSilence = Duration.seconds(150)
  private static let listLimits = HTTPExchange.Limits(silence: .seconds(15), whole: .seconds(60))

  func run(_ tell: @escaping @Sendable (SliceState) -> Void) async {
    var watch = SliceWatch(limits: settings.limits, backoff: settings.backoff)
    var state = SliceState()
    while !Task.isCancelled {
      if let wait = watch.takeWait() {
        try? await Task.sleep(for: wait)
        continue
      }
      switch watch.next {
      case .list: await list(&watch, &state, tell)
      case .watch: await follow(&watch, &state, tell)
      }
    }
  }

  private func request(_ watch: SliceWatch) -> SliceRequest {
    var request = SliceRequest(
      cluster: settings.cluster, service: settings.service, namespace: settings.namespace, step: watch.next,
      limits: SliceFollower.listLimits)
    guard case .watch = watch.next else { return request }
    // Not all clients at once.
    let duration = max(settings.watchDuration, .seconds(1)) * (1 + random() / 2)
    request.watchSeconds = Int(duration.components.seconds)
    request.limits.silence = SliceFollower.watchSilence
    request.limits.whole = duration + .seconds(30)
    return request
  }

  private func note(_ answer: SliceRequest.Answer, _ state: inout SliceState) {
    state.server = answer.server.description
    state.namespace = settings.namespace ?? answer.server.namespace
  }

  /// - Returns: Whether there is something to tell.
  private func apply(_ news: SliceWatch.News, _ state: inout SliceState) -> Bool {
    switch news {
    case .none: return false
    case .troubled(let failure): state.failure = failure
    case .recovered: state.failure = nil
    }
    return true
  }

  // MARK: Requests

  private func list(
    _ watch: inout SliceWatch, _ state: inout SliceState, _ tell: @Sendable (SliceState) -> Void
  ) async {
    do throws(KubernetesFailure) {
      var answer = try await request(watch).ask()
      defer { answer.exchange.cancel() }
      note(answer, &state)
      guard answer.head.status == 200 else { throw await answer.failure() }
      let page = try SlicePage(json: try await answer.body(limit: settings.limits.maxListBytes))
      let (effect, news) = watch.listed(page)
      if effect == .changed { state.slices = watch.slices }
      if apply(news, &state) || effect == .changed { tell(state) }
    } catch {
      guard !Task.isCancelled else { return }
      if apply(watch.failed(error, lasted: .zero, random: random()), &state) { tell(state) }
    }
  }

  private func follow(
    _ watch: inout SliceWatch, _ state: inout SliceState, _ tell: @Sendable (SliceState) -> Void
  ) async {
    var began: ContinuousClock.Instant?
    func lasted() -> Duration { began.map { $0.duration(to: .now) } ?? .zero }
    do throws(KubernetesFailure) {
      var answer = try await request(watch).ask()
      defer { answer.exchange.cancel() }
      note(answer, &state)
      guard answer.head.status == 200 else { throw await answer.failure() }
      began = .now
      if apply(watch.watching(), &state) { tell(state) }
      var lines = LineSplitter(limit: settings.limits.maxEventBytes)
      while let event = await answer.events.next(isolation: #isolation) {
        switch event {
        case .failed(let failure): throw failure
        case .response(.head): continue
        case .response(.body(let bytes)):
          answer.exchange.taken(bytes.count)
          guard try received(try lines.feed(bytes), &watch, &state, tell) else { return }
        case .response(.end):
          guard !lines.isInLine else { throw KubernetesFailure(.cut, "a watch ended within an event") }
          if apply(watch.watchEnded(lasted: lasted(), random: random()), &state) { tell(state) }
        }
      }
    } catch {
      guard !Task.isCancelled else { return }
      if apply(watch.failed(error, lasted: lasted(), random: random()), &state) { tell(state) }
    }
  }

  /// - Returns: Whether the stream is still of use.
  private func received(
    _ lines: [[UInt8]], _ watch: inout SliceWatch, _ state: inout SliceState, _ tell: @Sendable (SliceState) -> Void
  ) throws(KubernetesFailure) -> Bool {
    var isNews = false
    var isLeft = false
    // What came before a line that is nonsense counts.
    defer { if isNews { tell(state) } }
    for line in lines where !isLeft {
      let (effect, news) = watch.received(try WatchEvent(json: line), random: random())
      if effect == .changed {
        state.slices = watch.slices
        isNews = true
      }
      isLeft = effect == .left
      if apply(news, &state) { isNews = true }
    }
    return !isLeft
  }
}
