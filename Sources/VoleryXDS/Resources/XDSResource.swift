import VoleryPrimitives
import VoleryProtobuf
package import VoleryWellKnownTypes

/// The four kinds of resources that make a client's configuration, in the order in which one names the next.
package enum XDSResourceType: Int, Hashable, Sendable, CaseIterable {
  case listener, routes, cluster, endpoints

  package var typeName: String {
    switch self {
    case .listener: WireListener.messageName
    case .routes: WireRouteConfiguration.messageName
    case .cluster: WireCluster.messageName
    case .endpoints: WireClusterLoadAssignment.messageName
    }
  }

  package var typeURL: String { "type.googleapis.com/\(typeName)" }

  /// Whether a response has all there is, so that what is missing in it exists no more (xDS transport protocol, state of the
  /// world).
  var isWholeWorld: Bool { self == .listener || self == .cluster }
}

/// A resource that was read and makes sense.
package enum XDSResource: Equatable, Sendable {
  case listener(ListenerResource)
  case routes(RouteTable)
  case cluster(ClusterResource)
  case endpoints(EndpointsResource)
}

/// A resource that makes no sense: which field, and what is wrong with it. The control plane is told the same (NACK).
package struct XDSResourceError: Error, Hashable, Sendable, CustomStringConvertible {
  package let description: String

  package init(_ field: String, _ what: String) { description = "\(field): \(what)" }

  init(_ description: String) { self.description = description }

  /// Reads a part of a resource: what is wrong with it is said of a field of `place`.
  static func within<Part>(
    _ place: @autoclosure () -> String, _ read: () throws -> Part
  ) throws(XDSResourceError) -> Part {
    do { return try read() } catch let error as XDSResourceError {
      throw XDSResourceError("\(place()).\(error.description)")
    } catch {
      throw XDSResourceError(place(), "\(error)")
    }
  }
}

extension XDSResourceError {
  /// What comes from the control plane, in a line of ours.
  static func quote(_ text: String) -> String { "\"\(String(foreign: text))\"" }
}

/// Reads one resource of a response. The name is nil where not even that could be read.
package struct ReadResource: Equatable {
  package let name: String?
  package let result: Result<XDSResource, XDSResourceError>
  /// As it came, without the wrapper.
  package let content: Google_Protobuf_Any

  var isRefused: Bool { if case .failure = result { true } else { false } }

  package init(_ any: Google_Protobuf_Any, _ type: XDSResourceType, _ context: ReadContext = ReadContext()) {
    do throws(ProtobufError) {
      // A wrapper that carries a name (xDS transport protocol).
      if let wrapper = try any.unpack(WireResource.self) {
        // One within another would have a depth that nobody limits.
        guard let inner = wrapper.resource, !inner.isA(WireResource.self) else {
          self.init(name: wrapper.name, any, error: XDSResourceError("resource", "missing, or a wrapper itself"))
          return
        }
        self.init(inner, type, context)
        return
      }
      switch type {
      case .listener:
        let wire = try ReadResource.unpack(any, WireListener.self)
        self.init(name: wire.name, any) { () throws(XDSResourceError) in .listener(try ListenerResource(wire)) }
      case .routes:
        let wire = try ReadResource.unpack(any, WireRouteConfiguration.self)
        self.init(name: wire.name, any) { () throws(XDSResourceError) in .routes(try RouteTable(wire)) }
      case .cluster:
        let wire = try ReadResource.unpack(any, WireCluster.self)
        self.init(name: wire.name, any) { () throws(XDSResourceError) in .cluster(try ClusterResource(wire, context)) }
      case .endpoints:
        let wire = try ReadResource.unpack(any, WireClusterLoadAssignment.self)
        self.init(name: wire.clusterName, any) { () throws(XDSResourceError) in .endpoints(try EndpointsResource(wire))
        }
      }
    } catch {
      let what = any.typeName == type.typeName ? "\(error)" : "has the type \(XDSResourceError.quote(any.typeURL))"
      self.init(name: nil, any, error: XDSResourceError("a resource", what))
    }
  }

  private static func unpack<M: Message>(_ any: Google_Protobuf_Any, _ type: M.Type) throws(ProtobufError) -> M {
    guard let message: M = try any.unpack() else { return try M(decoding: [0xFF]) }
    return message
  }

  private init(name: String, _ any: Google_Protobuf_Any, _ read: () throws(XDSResourceError) -> XDSResource) {
    self.name = ResourceName.canonical(name)
    content = any
    do throws(XDSResourceError) { result = .success(try read()) } catch { result = .failure(error) }
  }

  private init(name: String?, _ any: Google_Protobuf_Any, error: XDSResourceError) {
    self.name = name.map(ResourceName.canonical)
    content = any
    result = .failure(error)
  }
}
