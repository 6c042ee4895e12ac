/// Says how each call of a channel is made (gRFC A31): its configuration, and where it should go. A resolver gives one with its
/// answer:
///
///     var resolution = Resolution(endpoints: endpoints)
///     resolution.attributes.configSelector = RouteTable(routes)
///
/// It is asked once for each call, on the caller's task, and must neither block nor suspend: a selector is immutable, and a
/// resolver whose routes change gives a new one. Where there is one, the service config's methods count no more.
///
/// It comes after the interceptors around the call, as in the other implementations: it sees what they have made of the metadata,
/// and what it says of the deadline holds from there on. A call that comes before the resolver's first answer is asked for when
/// that is there.
public protocol ConfigSelector: AnyObject, Sendable {
  /// How this call is made. Called once for each call, on the caller's task; must neither block nor suspend.
  ///
  /// - Throws: What the call ends with. The codes that only an application may use become INTERNAL (gRFC A54).
  func configuration(of call: ConfigSelectorRequest) throws(StatusError) -> CallConfiguration
}

/// What a config selector may look at.
public struct ConfigSelectorRequest: Sendable {
  /// The method that is called.
  public let method: MethodDescriptor
  /// As the caller has given it and the interceptors around the call have left it.
  public let metadata: Metadata

  /// A request that a resolver's tests make; a channel makes its own.
  public init(method: MethodDescriptor, metadata: Metadata) {
    self.method = method
    self.metadata = metadata
  }
}

/// How one call is made.
public struct CallConfiguration: Sendable {
  /// As a service config says of a method: timeout, retries, limits.
  public var methodConfig: MethodConfig?
  /// For the picker (`PickRequest.attributes`): the cluster, say.
  public var attributes = Attributes()
  /// For pickers that send equal calls to one server (`PickRequest.hash`).
  public var hash: UInt64?
  /// Replaces what the caller has given; nil leaves it as it is.
  public var metadata: Metadata?
  /// Called once, when no other server can follow for the call: it has an answer, or is over. On any thread; must not block.
  public var committed: (@Sendable () -> Void)?
  /// What is to go wrong with the call before any server is chosen for it; nil: nothing.
  package var injectedFault: InjectedFault?

  /// A call made as `methodConfig` says; nil: without limits, retries and a timeout of the resolver's.
  public init(methodConfig: MethodConfig? = nil) { self.methodConfig = methodConfig }
}

/// A fault that somebody wants calls to have (gRFC A33): a delay, an end, or one after the other. Once for each call, whatever its
/// retries; its deadline holds meanwhile.
package struct InjectedFault: Sendable {
  /// Before anything else is done; zero for none.
  package var delay: Duration
  /// What the call ends with after the delay; nil: it goes on.
  package var failure: StatusError?
  /// Called once when the delay is over, or the call is gone before. On any thread; must not block.
  package var isOver: (@Sendable () -> Void)?

  package init(delay: Duration, failure: StatusError?, isOver: (@Sendable () -> Void)? = nil) {
    self.delay = delay
    self.failure = failure
    self.isOver = isOver
  }
}

extension Attributes {
  private enum Selector: AttributeKey {
    /// The same selector is the same configuration.
    struct Value: Hashable, Sendable {
      let selector: any ConfigSelector
      static func == (left: Value, right: Value) -> Bool { left.selector === right.selector }
      func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(selector)) }
    }
  }

  /// Of a resolver's answer: who says how each call is made. Nil: the service config.
  public var configSelector: (any ConfigSelector)? {
    get { self[Selector.self]?.selector }
    set { self[Selector.self] = newValue.map(Selector.Value.init) }
  }
}

extension CallConfiguration {
  /// Shared by all that a call asks.
  package final class Selected: Sendable {
    package let configuration: CallConfiguration
    package init(_ configuration: CallConfiguration) { self.configuration = configuration }
  }
}
