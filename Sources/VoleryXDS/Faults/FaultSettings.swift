import VoleryProtobuf
package import VoleryTypes
import VoleryWellKnownTypes

/// What is to go wrong with calls (gRFC A33), as an HTTP filter of a listener says, or what stands in its place for a virtual host,
/// a route or a cluster.
package struct FaultSettings: Equatable, Sendable {
  package enum Delay: Equatable, Sendable {
    case fixed(Duration)
    /// As the call's own metadata say.
    case byHeader
  }

  package enum End: Equatable, Sendable {
    case code(StatusCode)
    /// As the call's own metadata say.
    case byHeader
  }

  package struct Share<Value: Equatable & Sendable>: Equatable, Sendable {
    package let value: Value
    package let perMillion: UInt32
  }

  static let type = "envoy.extensions.filters.http.fault.v3.HTTPFault"

  package let delay: Share<Delay>?
  package let end: Share<End>?
  /// How many faults may be under way at once; nil: any number.
  package let maxActive: UInt32?

  init(_ wire: WireHTTPFault) throws(XDSResourceError) {
    maxActive = wire.maxActiveFaults?.value
    delay = try wire.delay.map { (delay) throws(XDSResourceError) in
      let share = try delay.percentage?.perMillion("delay.percentage") ?? 0
      switch delay.faultDelaySecifier {
      case .fixedDelay(let duration)?:
        guard duration.isValid, duration.duration >= .zero else {
          throw XDSResourceError("delay.fixed_delay", "is out of range")
        }
        return Share(value: .fixed(duration.duration), perMillion: share)
      case .headerDelay?: return Share(value: .byHeader, perMillion: share)
      case nil: throw XDSResourceError("delay.fault_delay_secifier", "missing")
      }
    }
    end = try wire.abort.map { (abort) throws(XDSResourceError) in
      let share = try abort.percentage?.perMillion("abort.percentage") ?? 0
      switch abort.errorType {
      case .httpStatus(let status)?:
        guard let code = FaultSettings.code(ofHTTP: Int(status)) else {
          throw XDSResourceError("abort.http_status", "is not 200 to 599")
        }
        return Share(value: .code(code), perMillion: share)
      case .grpcStatus(let status)?:
        return Share(value: .code(StatusCode(rawValue: Int(status)) ?? .unknown), perMillion: share)
      case .headerAbort?: return Share(value: .byHeader, perMillion: share)
      case nil: throw XDSResourceError("abort.error_type", "missing")
      }
    }
  }

  /// As doc/http-grpc-status-mapping.md has it. Nil: no status of a response.
  static func code(ofHTTP status: Int) -> StatusCode? {
    guard (200..<600).contains(status) else { return nil }
    return switch status {
    case 400: .internal
    case 401: .unauthenticated
    case 403: .permissionDenied
    case 404: .unimplemented
    case 429, 502, 503, 504: .unavailable
    default: .unknown
    }
  }
}

extension FaultSettings {
  /// What one call gets.
  package struct Fault: Equatable, Sendable {
    package var delay = Duration.zero
    package var code: StatusCode?
  }

  /// Longer delays are cut: no call waits for them.
  private static let longestDelay = Duration.seconds(86_400)

  /// Nil: nothing goes wrong with it.
  ///
  /// - Parameter random: Asked for each fault: 0 to 999,999.
  package func fault(for metadata: Metadata, random: () -> UInt32) -> Fault? {
    guard maxActive != 0 else { return nil }
    var fault = Fault()
    if let delay {
      var length: Duration?
      var share = delay.perMillion
      switch delay.value {
      case .fixed(let duration): length = duration
      case .byHeader:
        length = Self.number("x-envoy-fault-delay-request", in: metadata).map { .milliseconds($0) }
        share = Self.share("x-envoy-fault-delay-request-percentage", of: delay.perMillion, in: metadata)
      }
      if let length, length > .zero, random() < share { fault.delay = min(length, Self.longestDelay) }
    }
    if let end {
      var code: StatusCode?
      var share = end.perMillion
      switch end.value {
      case .code(let known): code = known
      case .byHeader:
        if metadata["x-envoy-fault-abort-request"] != nil {
          code = Self.number("x-envoy-fault-abort-request", in: metadata).flatMap { Self.code(ofHTTP: $0) }
        } else if let number = Self.number("x-envoy-fault-abort-grpc-request", in: metadata) {
          code = StatusCode(rawValue: number) ?? .unknown
        }
        share = Self.share("x-envoy-fault-abort-request-percentage", of: end.perMillion, in: metadata)
      }
      if let code, code != .ok, random() < share { fault.code = code }
    }
    return fault.delay > .zero || fault.code != nil ? fault : nil
  }

  /// A call may want less than the control plane allows, and no more.
  private static func share(_ name: String, of whole: UInt32, in metadata: Metadata) -> UInt32 {
    guard let percent = number(name, in: metadata) else { return whole }
    return min(whole, UInt32(min(percent, 100)) * 10_000)
  }

  /// The last value, where it is a whole number of at least 0 that is no longer than any that makes sense.
  private static func number(_ name: String, in metadata: Metadata) -> Int? {
    guard let text = metadata.values(name).last, text.utf8.count <= 12, let number = Int(text), number >= 0 else {
      return nil
    }
    return number
  }
}

/// A filter of a listener that makes things go wrong.
package struct FaultFilter: Equatable, Sendable {
  /// By which virtual hosts, routes and clusters name it.
  package let name: String
  package let settings: FaultSettings
}
