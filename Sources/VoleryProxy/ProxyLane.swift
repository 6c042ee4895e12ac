import VoleryClient
import VoleryEventLoops
import VoleryServer
import VoleryTransport
import VoleryTypes

/// What one loop of a proxy has: routes, and a channel of its own for each target, so that a call never leaves the loop of its
/// client.
final class ProxyLane: @unchecked Sendable {  // Isolation: loop
  /// What is replaced as a whole: each call sees one or the other.
  struct Content: Sendable {
    var table: RouteTable
    /// Of each target.
    let destinations: [Destination]
    let options: ProxyOptions
    /// Empty: none.
    let identityKey: [UInt8]
    var memo = FieldsMemo()

    init(table: RouteTable, destinations: [Destination], options: ProxyOptions) {
      self.table = table
      self.destinations = destinations
      self.options = options
      identityKey = Array((options.identityHeader ?? "").lowercased().utf8)
    }
  }

  struct Destination: Sendable {
    let channel: Channel
    let keepsAuthority: Bool
  }

  let loop: EventLoop
  @exclusivity(unchecked) private var content: Content

  init(_ content: Content, on loop: EventLoop) {
    self.content = content
    self.loop = loop
  }

  /// Any thread. Calls that are here already go on with what they have begun with.
  func replace(_ content: Content) { loop.execute { self.content = content } }

  func accept(
    path: UnsafeRawBufferPointer, head: consuming ServerRequestHead, stream: any ServerStream
  ) -> (any ServerStreamHandler)? {
    switch content.table.decide(path: path, head.metadata) {
    case .noMethod: return refuse(stream, .unimplemented, "the path is none of a method")
    case .noRoute: return refuse(stream, .unimplemented, "the method is not known here")
    case .forward(let method, let target, let rule):
      return forward(method, head, stream, to: content.destinations[target], by: rule)
    }
  }

  private func forward(
    _ method: MethodDescriptor, _ head: ServerRequestHead, _ stream: any ServerStream,
    to destination: Destination, by rule: RouteTable.Rule
  ) -> (any ServerStreamHandler)? {
    guard let fields = fields(of: head, stream) else { return nil }
    let timeout = rule.maxTimeout.map { min($0, head.timeout ?? $0) } ?? head.timeout
    let deadline = timeout.map { Deadline.after($0) } ?? .none
    let authority: ForwardedHead.Authority =
      switch rule.authority {
      case nil: destination.keepsAuthority ? .client : .channel
      case .client: .client
      case .target: .channel
      case .name(let name): .name(name)
      }
    guard stream.passBytes() else {
      return refuse(stream, .unimplemented, "calls within the process are not forwarded")
    }
    let accessLog = content.options.accessLog
    let log = accessLog.logger.map { _ in
      ForwardedCall.CallLog(
        log: accessLog, entry: ProxyAccessLog.Entry(method: method, client: stream.peer, timeout: timeout))
    }
    let call = ForwardedCall(timeout: timeout, deadline: deadline, stream: stream, log: log)
    let forwarded = ForwardedHead(fields, authority: authority, deadline: deadline)
    call.start(ForwardedRequest(on: destination.channel, method, forwarded, handler: call))
    return call
  }

  /// Nil where the call has come through too many proxies: it is refused then.
  private func fields(of head: ServerRequestHead, _ stream: any ServerStream) -> ForwardedFields? {
    let (peer, likeness) = (stream.peer, stream.likeness)
    if let likeness, let known = content.memo.fields(of: peer, likeness) { return known }
    let received = RequestMetadata(
      head.metadata, client: ProxyLane.name(of: peer), name: content.options.name, identityKey: content.identityKey,
      identity: peer.isSecure ? ProxyLane.identity(of: peer) : nil)
    guard received.hops < content.options.maxHops else {
      _ = refuse(stream, .internal, "the call has come through \(received.hops) proxies, which looks like a loop")
      return nil
    }
    let fields = ForwardedFields(
      authority: head.authority, metadata: received.metadata, contentSubtype: head.contentSubtype,
      messageEncoding: head.messageEncoding, acceptedEncodings: stream.acceptedEncodingsText)
    if let likeness { content.memo.keep(fields, of: peer, likeness) }
    return fields
  }

  private func refuse(_ stream: any ServerStream, _ code: StatusCode, _ text: String) -> (any ServerStreamHandler)? {
    stream.finish(Status(code: code, message: "the proxy: \(text)"), trailingMetadata: Metadata())
    return nil
  }

  private static func name(of peer: Peer) -> String {
    if case .tcp(let host, _) = peer.address { host } else { "unix" }
  }

  /// Nil where nobody vouches for it, or metadata can't carry it.
  private static func identity(of peer: Peer) -> String? {
    guard let identity = peer.identity, identity.isVerified, let spiffe = identity.spiffeID,
      spiffe.utf8.allSatisfy({ (0x21...0x7e).contains($0) })
    else { return nil }
    return spiffe
  }
}
