import Foundation
import Synchronization
import Volery

/// How a pod treats its calls now.
struct PodConduct: Sendable {
  var delay: Duration
  /// Of `read`, where it is another one.
  var readDelay: Duration?
  /// The delay is the mean of an exponential distribution, as of a server that has much and little to do.
  var isExponential = false
  /// Every call ends with this; OK or nil: it is answered.
  var code: StatusCode?
}

final class LabPod: LabService {
  private struct State {
    var conduct: PodConduct
    var calls = 0
    var keys: Set<String> = []
  }

  private let name: String?
  private let health: Health
  private let state: Mutex<State>
  /// Nil: it works on as many calls at once as come.
  private let desk: PodDesk?

  init(name: String?, conduct: PodConduct, health: Health, desk: PodDesk? = nil) {
    self.desk = desk
    self.health = health
    self.name = name
    state = Mutex(State(conduct: conduct))
  }

  func perform(_ words: [String]) {
    let number = words.count > 1 ? Int(words[1]) : nil
    switch words.first {
    case "delay": state.withLock { $0.conduct.delay = .milliseconds(number ?? 0) }
    case "read-delay": state.withLock { $0.conduct.readDelay = .milliseconds(number ?? 0) }
    case "fail": state.withLock { $0.conduct.code = StatusCode(rawValue: number ?? 0) }
    case "health": health.set(words.dropFirst().first == "off" ? .notServing : .serving)
    case "counts":
      let text = state.withLock { "COUNTS \($0.calls) \($0.keys.count)" }
      writeLine(text)
    default: writeLine("ERROR unknown command \(words)")
    }
  }

  func call(_ request: Question, context: ServerContext) async throws -> Answer { try await answer(request, context) }

  func read(_ request: Question, context: ServerContext) async throws -> Answer {
    try await answer(request, context, isRead: true)
  }

  func chat(
    _ requests: RequestStream<Question>, responses: ResponseWriter<Answer>, context: ServerContext
  ) async throws {
    for try await _ in requests { try await responses.write(Answer(pod: ownName(context))) }
  }

  private func answer(_ request: Question, _ context: ServerContext, isRead: Bool = false) async throws -> Answer {
    let conduct = state.withLock { state in
      state.calls += 1
      if !request.key.isEmpty { state.keys.insert(request.key) }
      return state.conduct
    }
    if let code = conduct.code, code != .ok {
      context.trailingMetadata["x-pod"] = ownName(context)
      throw StatusError(code, "this pod fails every call")
    }
    let factor = conduct.isExponential ? -log(1 - Double.random(in: 0..<1)) : 1
    let delay = isRead ? conduct.readDelay ?? conduct.delay : conduct.delay
    await desk?.begin()
    defer { desk?.end() }
    if delay > .zero { try await Task.sleep(for: delay * factor) }
    return Answer(pod: ownName(context))
  }

  private func ownName(_ context: ServerContext) -> String {
    name ?? context.peer.localAddress.map { "\($0)" } ?? "unknown"
  }
}
