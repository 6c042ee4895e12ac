public import VoleryTypes

/// The pod behind an endpoint, as its EndpointSlice names it.
public struct KubernetesPod: Hashable, Sendable {
  /// Its name: `orders-7d9f-x2x4q`.
  public var name: String
  /// Its namespace; nil where the EndpointSlice says none.
  public var namespace: String?
  /// The node that it runs on; nil where the EndpointSlice says none.
  public var nodeName: String?
  /// Tells it from an earlier pod of the same name; nil where the EndpointSlice says none.
  public var uid: String?

  /// A pod, for tests of policies.
  public init(name: String, namespace: String? = nil, nodeName: String? = nil, uid: String? = nil) {
    self.name = name
    self.namespace = namespace
    self.nodeName = nodeName
    self.uid = uid
  }
}

/// What `k8s:` knows of an endpoint besides its `zone`.
extension Attributes {
  private enum Pod: AttributeKey { typealias Value = KubernetesPod }
  private enum ZoneHints: AttributeKey { typealias Value = [String] }
  private enum IsTerminating: AttributeKey { typealias Value = Bool }

  /// Of an endpoint: its pod; nil where no pod is behind it, as with EndpointSlices that people write themselves.
  public var kubernetesPod: KubernetesPod? {
    get { self[Pod.self] }
    set { self[Pod.self] = newValue }
  }

  /// Of an endpoint: the zones whose clients should use it, as Kubernetes hands them out for Services with topology aware
  /// routing (`hints.forZones`). Empty where it has handed out none.
  public var zoneHints: [String] {
    get { self[ZoneHints.self] ?? [] }
    set { self[ZoneHints.self] = newValue.isEmpty ? nil : newValue }
  }

  /// Of an endpoint: it is about to end and is used because no other is ready. False for all others.
  public var isTerminating: Bool {
    get { self[IsTerminating.self] ?? false }
    set { self[IsTerminating.self] = newValue ? true : nil }
  }
}
