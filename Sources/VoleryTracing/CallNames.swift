import Tracing
import VoleryObservation
import VoleryPrimitives
import VoleryTypes

/// What spans of one method are called, and what they say, by the conventions that are asked for.
struct CallNames {
  let options: TracingOptions
  /// Nil: the name is the client's, of a method that the server does not have.
  let method: MethodDescriptor?

  /// - Parameter prefix: gRFC A72's: `Sent`, `Attempt`, `Recv`.
  func spanName(_ prefix: String) -> String {
    guard options.conventions.usesGRPC else { return method?.fullName ?? "_OTHER" }
    return method.map { "\(prefix).\($0.service).\($0.name)" } ?? "\(prefix).other"
  }

  /// - Parameter original: What the client has sent where there is no such method.
  func attributes(original: MethodDescriptor? = nil) -> SpanAttributes {
    var attributes = SpanAttributes()
    guard options.conventions.usesOpenTelemetry else { return attributes }
    attributes["rpc.system.name"] = "grpc"
    attributes["rpc.method"] = method?.fullName ?? "_OTHER"
    if method == nil, let original {
      attributes["rpc.method_original"] = String(foreign: original.fullName)
    }
    return attributes
  }

  /// Says how it has ended, and ends it.
  ///
  /// - Parameter isError: Of OpenTelemetry's conventions; gRPC's call everything but OK an error.
  func end(_ span: any Span, _ status: Status, isError: Bool) {
    if options.conventions.usesOpenTelemetry {
      span.updateAttributes { attributes in
        attributes["rpc.response.status_code"] = status.code.description
        if isError { attributes["error.type"] = status.code.description }
      }
    }
    let text = options.recordsStatusMessages ? String(foreign: status.message) : ""
    if options.conventions.usesGRPC {
      if status.isOK {
        span.setStatus(SpanStatus(code: .ok))
      } else {
        let code = status.code.description
        span.setStatus(SpanStatus(code: .error, message: text.isEmpty ? code : "\(code), \(text)"))
      }
    } else if isError {
      span.setStatus(SpanStatus(code: .error, message: text.isEmpty ? nil : text))
    }
    span.end()
  }
}

extension SpanAttributes {
  /// OpenTelemetry's `network.peer`, or others of the same kind.
  mutating func set(_ prefix: String, _ address: SocketAddress) {
    switch address {
    case .tcp(let host, let port):
      self["\(prefix).address"] = host
      self["\(prefix).port"] = Int64(port)
    case .unix(let path): self["\(prefix).address"] = path
    case .unixAbstract(let name), .inProcess(let name): self["\(prefix).address"] = name
    }
  }
}
