import VoleryPlatform
package import VoleryTypes
import VoleryWellKnownTypes

extension WireSocket {
  /// - Parameter figures: Nil where the connection does not say.
  init(_ socket: SocketRecord, _ figures: ConnectionFigures?) {
    self.init(
      ref: WireSocketRef(socket), data: WireSocketData(socket, figures),
      local: socket.localAddress.map(WireAddress.init), remote: socket.peer.map { WireAddress($0.address) },
      security: socket.peer?.security.map { WireSecurity($0, localCertificate: figures?.localCertificate) })
  }
}

extension WireSocketData {
  init(_ socket: SocketRecord, _ figures: ConnectionFigures?) {
    let tally = socket.tally
    self.init(
      streamsStarted: Int64(tally.streams.started), streamsSucceeded: Int64(tally.streams.succeeded),
      streamsFailed: Int64(tally.streams.failed), messagesSent: Int64(tally.messagesSent),
      messagesReceived: Int64(tally.messagesReceived), lastMessageSentTimestamp: tally.lastSent?.timestamp,
      lastMessageReceivedTimestamp: tally.lastReceived?.timestamp)
    if case .server = socket.owner {
      lastRemoteStreamCreatedTimestamp = tally.streams.lastStarted?.timestamp
    } else {
      lastLocalStreamCreatedTimestamp = tally.streams.lastStarted?.timestamp
    }
    guard let figures else { return }
    keepAlivesSent = Int64(figures.keepalivesSent)
    // Named after who may send: what the peer grants this end is the local window.
    localFlowControlWindow = Google_Protobuf_Int64Value(Int64(figures.sendWindow))
    remoteFlowControlWindow = Google_Protobuf_Int64Value(Int64(figures.receiveWindow))
    receivedGoawayError = figures.receivedGoAway.map { Google_Protobuf_UInt32Value($0) }
    if case .subchannel = socket.owner, figures.peerMaxConcurrentStreams != .max {
      peerMaxConcurrentStreams = figures.peerMaxConcurrentStreams
    }
  }
}

extension WireSecurity {
  init(_ security: ConnectionSecurity, localCertificate: [UInt8]?) {
    let tls = Tls(
      localCertificate: localCertificate ?? [], remoteCertificate: security.identity?.certificate ?? [],
      cipherSuite: .standardName(security.cipher))
    self.init(model: .tls(tls))
  }
}

extension WireAddress {
  package init(_ address: SocketAddress) {
    switch address {
    case .tcp(let host, let port):
      guard let bytes = WireAddress.bytes(of: host) else { fallthrough }
      self.init(address: .tcpipAddress(TcpIpAddress(ipAddress: bytes, port: Int32(port))))
    case .inProcess: self.init(address: .otherAddress(OtherAddress(name: address.description)))
    case .unix(let path): self.init(address: .udsAddress(UdsAddress(filename: path)))
    // As Linux shows them.
    case .unixAbstract(let name): self.init(address: .udsAddress(UdsAddress(filename: "@" + name)))
    }
  }

  /// In network order.
  private static func bytes(of host: String) -> [UInt8]? {
    if let address = AddressLiteral.ipv4(host) { return withUnsafeBytes(of: address) { Array($0) } }
    return AddressLiteral.ipv6(host).map { withUnsafeBytes(of: $0.address) { Array($0) } }
  }
}
