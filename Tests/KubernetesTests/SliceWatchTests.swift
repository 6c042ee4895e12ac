import Testing
import Volery
import VoleryClient
import VoleryKubernetes
import VoleryNameResolution

@Suite("Which step follows") struct SliceWatchTests {
  private func watch(limits: KubernetesLimits = KubernetesLimits()) -> SliceWatch {
    var backoff = ConnectionBackoff()
    backoff.initial = .seconds(1)
    backoff.multiplier = 2
    backoff.maximum = .seconds(30)
    backoff.jitter = 0
    return SliceWatch(limits: limits, backoff: backoff)
  }

  private func slice(_ name: String) -> EndpointSlice { EndpointSlice(name: name, ports: [], members: []) }

  private func listed(_ version: String = "10") -> SliceWatch {
    var watch = watch()
    _ = watch.listed(SlicePage(slices: [slice("a")], version: version))
    return watch
  }

  @Test("a list of what is at hand, page after page, then a watch from its version") func list() {
    var watch = watch()
    #expect(watch.next == .list(isExact: false, continuation: nil))
    #expect(watch.listed(SlicePage(slices: [slice("a")], version: "10", continuation: "more")).effect == .none)
    #expect(watch.next == .list(isExact: false, continuation: "more"))
    #expect(watch.slices.sliceCount == 0, "half a list is no answer")
    #expect(watch.listed(SlicePage(slices: [slice("b")], version: "11")).effect == .changed)
    #expect(watch.slices.sliceCount == 2)
    #expect(watch.next == .watch(from: "11"))
  }

  @Test("events and bookmarks carry the version on, and a new watch begins there") func versions() {
    var watch = listed()
    #expect(watch.received(.changed(slice("b"), version: "12"), random: 0).effect == .changed)
    #expect(watch.received(.bookmark(version: "20"), random: 0).effect == .none)
    #expect(watch.received(.deleted(name: "a", version: "21"), random: 0).effect == .changed)
    #expect(watch.watchEnded(lasted: .seconds(300), random: 0) == .none)
    #expect(watch.takeWait() == nil)
    #expect(watch.next == .watch(from: "21"))
    #expect(watch.slices.sliceCount == 1)
  }

  @Test("410 lists anew at once, exactly, and keeps what it has until then; a second one in a row waits") func gone() {
    var watch = listed()
    let gone = KubernetesFailure(status: 410, body: nil)
    let (effect, news) = watch.received(.failed(gone), random: 1)
    #expect(effect == .left && news == .none)
    #expect(watch.takeWait() == nil)
    #expect(watch.next == .list(isExact: true, continuation: nil))
    #expect(watch.slices.sliceCount == 1)
    _ = watch.listed(SlicePage(slices: [slice("c")], version: "30"))
    #expect(watch.failed(gone, lasted: .zero, random: 1) == .none)
    #expect(watch.takeWait() == .seconds(1))
    #expect(watch.next == .list(isExact: true, continuation: nil))
    // A watch that brings something has been one.
    _ = watch.listed(SlicePage(slices: [], version: "40"))
    _ = watch.received(.bookmark(version: "41"), random: 1)
    _ = watch.failed(gone, lasted: .zero, random: 1)
    #expect(watch.takeWait() == nil)
  }

  @Test("failures wait longer and longer, between half and the whole of it, and go on from the last version")
  func backoff() {
    var watch = listed()
    let cut = KubernetesFailure(.cut, "cut")
    #expect(watch.failed(cut, lasted: .zero, random: 0) == .none, "what is mended at once is nobody's business")
    #expect(watch.takeWait() == .milliseconds(500))
    #expect(watch.takeWait() == nil, "asked once")
    #expect(watch.next == .watch(from: "10"))
    #expect(watch.failed(cut, lasted: .zero, random: 1) == .troubled(cut))
    #expect(watch.takeWait() == .seconds(2))
    #expect(watch.failed(cut, lasted: .zero, random: 1) == .none, "once for each kind")
    #expect(watch.takeWait() == .seconds(4))
    for _ in 0..<10 { _ = watch.failed(cut, lasted: .zero, random: 1) }
    #expect(watch.takeWait() == .seconds(30))
    let refused = KubernetesFailure(.unreachable, "refused")
    #expect(watch.failed(refused, lasted: .zero, random: 1) == .troubled(refused))
    #expect(watch.watching() == .recovered)
    #expect(watch.watching() == .none)
    #expect(watch.failed(cut, lasted: .seconds(5), random: 1) == .none)
    #expect(watch.takeWait() == .seconds(1), "a watch that has lasted is a new beginning")
  }

  @Test("without an answer the first failure is told") func first() {
    var watch = watch()
    let denied = KubernetesFailure(status: 403, body: nil)
    #expect(watch.failed(denied, lasted: .zero, random: 0) == .troubled(denied))
    #expect(watch.next == .list(isExact: false, continuation: nil))
    #expect(watch.listed(SlicePage(slices: [], version: "1")).news == .recovered)
  }

  @Test("a watch that ends as soon as it begins is a failure") func short() {
    var watch = listed()
    #expect(watch.watchEnded(lasted: .milliseconds(10), random: 1) == .none)
    #expect(watch.takeWait() == .seconds(1))
    guard case .troubled = watch.watchEnded(lasted: .milliseconds(10), random: 1) else {
      Issue.record("the second is told")
      return
    }
  }

  @Test("nonsense in a watch lists anew, after a wait; in a list from its beginning") func malformed() {
    var watch = listed()
    _ = watch.failed(.malformed("?"), lasted: .seconds(9), random: 1)
    #expect(watch.next == .list(isExact: true, continuation: nil))
    #expect(watch.takeWait() == .seconds(1))
    _ = watch.listed(SlicePage(slices: [slice("x")], version: "50", continuation: "more"))
    _ = watch.failed(KubernetesFailure(.cut, ""), lasted: .zero, random: 1)
    #expect(watch.next == .list(isExact: true, continuation: nil))
    _ = watch.listed(SlicePage(slices: [slice("y")], version: "51"))
    #expect(watch.slices.sliceCount == 1, "pages of two lists are not mixed")
  }

  @Test("what the server asks for counts, up to the longest wait") func retryAfter() {
    var watch = listed()
    _ = watch.failed(KubernetesFailure(status: 429, body: nil, retryAfter: .seconds(7)), lasted: .zero, random: 0)
    #expect(watch.takeWait() == .seconds(7))
    _ = watch.failed(KubernetesFailure(status: 503, body: nil, retryAfter: .seconds(3600)), lasted: .zero, random: 0)
    #expect(watch.takeWait() == .seconds(30))
  }

  @Test("pages that are more than is kept are not asked for") func bounded() {
    var limits = KubernetesLimits()
    limits.maxSlices = 2
    var watch = watch(limits: limits)
    let page = SlicePage(slices: (0..<5).map { slice("s\($0)") }, version: "1", continuation: "more")
    #expect(watch.listed(page).effect == .changed)
    #expect(watch.slices.sliceCount == 2 && watch.slices.droppedCount == 1)
    #expect(watch.next == .watch(from: "1"))
  }
}

@Suite("What a channel hears") struct AnswerChoiceTests {
  private func texts(_ actions: [AnswerChoice.Action]) -> [String] {
    actions.map { action in
      switch action {
      case .publish(.resolved(let resolution)): "resolved \(resolution.endpoints.count) \(resolution.note)"
      case .publish(.failed(let error)): "failed \(error.message)"
      case .startDNS: "start"
      case .stopDNS: "stop"
      case .warn(let text): "warn \(text)"
      case .inform(let text): "inform \(text)"
      }
    }
  }

  private let one = Resolution(endpoints: [Endpoint(.tcp("10.0.0.1", 1))], note: "one")

  @Test("DNS until the API server has answered, one line for each change") func fallback() {
    var choice = AnswerChoice(usesDNS: true)
    #expect(texts(choice.isLate()) == ["start"])
    #expect(texts(choice.dnsSaid(.resolved(one))) == ["resolved 1 one, by DNS: the API server has not answered yet"])
    #expect(texts(choice.failed("denied")) == ["warn denied. DNS is asked instead"])
    #expect(texts(choice.failed("denied")).isEmpty)
    #expect(texts(choice.dnsSaid(.resolved(one))) == ["resolved 1 one, by DNS: denied"])
    #expect(texts(choice.dnsSaid(.failed(StatusError(.unavailable, "SERVFAIL")))) == ["failed denied; DNS: SERVFAIL"])
    #expect(
      texts(choice.answered(one, failure: nil))
        == ["stop", "inform the API server answers; DNS is not asked any more", "resolved 1 one"])
    #expect(texts(choice.dnsSaid(.resolved(one))).isEmpty, "what comes late does not count")
    #expect(texts(choice.isLate()).isEmpty)
  }

  @Test("once it has answered, its failures are failures, and the answer holds") func kept() {
    var choice = AnswerChoice(usesDNS: true)
    #expect(texts(choice.answered(one, failure: nil)) == ["resolved 1 one"])
    #expect(texts(choice.answered(one, failure: "gone")) == ["failed gone"])
    #expect(texts(choice.answered(one, failure: nil)) == ["resolved 1 one"])
    var late = AnswerChoice(usesDNS: true)
    #expect(texts(late.answered(one, failure: "gone")) == ["resolved 1 one", "failed gone"])
  }

  @Test("without DNS a failure is a failure") func without() {
    var choice = AnswerChoice(usesDNS: false)
    #expect(texts(choice.isLate()).isEmpty)
    #expect(texts(choice.failed("denied")) == ["failed denied"])
  }
}
