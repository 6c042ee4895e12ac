import VoleryTypes

// The page's own form of what it shows. All numbers are JSON numbers, all durations seconds unless their names say milliseconds.
extension StatusSnapshot {
  /// As UTF-8. `<`, `>` and `&` are escaped, which JSON does not ask for: wherever these bytes end up, no part of them is markup.
  var json: [UInt8] {
    let value = JSONValue.object([
      "age": .seconds(age), "window": .seconds(window), "leftOut": .count(leftOut),
      "channels": .array(channels.map(\.json)), "servers": .array(servers.map(\.json)),
    ])
    var bytes: [UInt8] = []
    for byte in value.text.utf8 {
      switch byte {
      case UInt8(ascii: "<"): bytes += Array("\\u003c".utf8)
      case UInt8(ascii: ">"): bytes += Array("\\u003e".utf8)
      case UInt8(ascii: "&"): bytes += Array("\\u0026".utf8)
      default: bytes.append(byte)
      }
    }
    return bytes
  }
}

extension JSONValue {
  fileprivate static func count(_ count: Int) -> JSONValue { .number("\(count)") }

  fileprivate static func real(_ number: Double?) -> JSONValue {
    number.map { .number("\(($0 * 10_000).rounded() / 10_000)") } ?? .null
  }

  fileprivate static func seconds(_ duration: Duration?) -> JSONValue { real(duration.map { $0 / .seconds(1) }) }

  fileprivate static func text(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
}

extension CallTotals {
  fileprivate var json: JSONValue {
    .object(["started": .count(started), "failed": .count(failed), "open": .count(open), "recent": .count(recent)])
  }
}

extension ChannelStatus {
  fileprivate var json: JSONValue {
    .object([
      "id": .count(id), "target": .text(target), "authority": .text(authority), "state": .text(state.word),
      "calls": calls.json, "retries": .count(retries), "resolver": resolver.json,
      "endpoints": .array(endpoints.map(\.json)), "latency": latency.json,
    ])
  }
}

extension ResolverStatus {
  fileprivate var json: JSONValue {
    .object([
      "answers": .count(answers), "failures": .count(failures), "age": .seconds(age),
      "endpointCount": .count(endpointCount), "endpoints": .array(endpoints.map { .text($0) }), "error": .text(error),
    ])
  }
}

extension EndpointStatus {
  fileprivate var json: JSONValue {
    .object([
      "address": .text(address), "state": .text(state?.word), "ejection": .text(ejection?.rawValue),
      "calls": calls.json, "share": .real(share), "error": .text(error),
    ])
  }
}

extension LatencyStatus {
  fileprivate var json: JSONValue {
    .object([
      "bounds": .array(bounds.map { .real($0) }), "counts": .array(counts.map { .count($0) }),
      "p50": .real(percentile(0.5)), "p95": .real(percentile(0.95)), "p99": .real(percentile(0.99)),
    ])
  }
}

extension ServerStatus {
  fileprivate var json: JSONValue {
    .object([
      "id": .count(id), "addresses": .array(addresses.map { .text($0) }), "isDraining": .bool(isDraining),
      "connections": .count(connections), "refused": .count(refused), "calls": calls.json,
      "methods": .array(methods.map { .object(["name": .text($0.name), "calls": $0.calls.json]) }),
      "latency": latency.json,
    ])
  }
}

extension ConnectivityState {
  fileprivate var word: String {
    switch self {
    case .idle: "idle"
    case .connecting: "connecting"
    case .ready: "ready"
    case .transientFailure: "failing"
    case .shutdown: "shut down"
    }
  }
}
