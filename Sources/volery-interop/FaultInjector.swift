import Synchronization
import Volery

/// Faults that a caller asks for by metadata: so many attempts of a logical call fail, or answer late.
final class FaultInjector: Sendable {
  private let attempts = Mutex<[String: Int]>([:])

  /// The number of this attempt, from 0.
  private func count(_ key: String) -> Int {
    attempts.withLock { attempts in
      // A test's keys, not a stranger's; still no reason to grow for ever.
      if attempts.count > 100_000 { attempts = [:] }
      defer { attempts[key, default: 0] += 1 }
      return attempts[key, default: 0]
    }
  }

  func inject(_ context: ServerContext, id: String) async throws {
    let metadata = context.metadata
    let attempt = metadata["x-fault-key"].map(count) ?? 0
    if metadata["x-report"] == "1" { context.trailingMetadata["x-report-json"] = report(context, attempt, id) }
    if let delays = metadata["x-fault-delay-ms"] {
      let list = delays.split(separator: ",").map { Int64($0) ?? 0 }
      if !list.isEmpty { try await Task.sleep(for: .milliseconds(list[min(attempt, list.count - 1)])) }
    }
    guard let times = metadata["x-fault-fail-times"].flatMap(Int.init), attempt < times else { return }
    if metadata["x-fault-headers-first"] == "1" { context.sendInitialMetadata() }
    if let pushback = metadata["x-fault-pushback-ms"] { context.trailingMetadata["grpc-retry-pushback-ms"] = pushback }
    let code = metadata["x-fault-code"].flatMap(Int.init).flatMap(StatusCode.init(rawValue:)) ?? .unavailable
    guard code != .ok else { return }
    throw StatusError(code, "injected fault, attempt \(attempt)")
  }

  private func report(_ context: ServerContext, _ attempt: Int, _ id: String) -> String {
    let previous = context.metadata["grpc-previous-rpc-attempts"] ?? ""
    let remaining =
      context.deadline.timeRemaining.map {
        "\($0.components.seconds * 1000 + $0.components.attoseconds / 1_000_000_000_000_000)"
      } ?? "null"
    return "{\"server_id\":\(jsonString(id)),\"attempt\":\(attempt),\"previous_rpc_attempts\":\(jsonString(previous)),"
      + "\"authority\":\(jsonString(context.authority)),\"peer\":\(jsonString("\(context.peer)")),\"timeout_ms\":\(remaining)}"
  }
}

/// A string as a JSON text.
func jsonString(_ text: String) -> String {
  var out = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": out += "\\\""
    case "\\": out += "\\\\"
    case "\n": out += "\\n"
    case "\r": out += "\\r"
    case "\t": out += "\\t"
    case let scalar where scalar.value < 0x20:
      let hex = String(scalar.value, radix: 16)
      out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
    default: out.unicodeScalars.append(scalar)
    }
  }
  return out + "\""
}
