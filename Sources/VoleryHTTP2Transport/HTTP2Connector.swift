package import VoleryEventLoops
import VoleryPlatform
package import VoleryTransport
package import VoleryTypes

/// Connects to servers over TCP and unix sockets; the connections are spread over the group's loops.
package final class HTTP2Connector: ClientConnector {
  private let group: EventLoopGroup
  private let options: ClientConnectionOptions
  /// Makes the TLS of a connection; nil: plaintext.
  private let makeSecurity:
    (@Sendable (_ serverName: String, _ address: SocketAddress) throws -> any TransportSecurity)?

  package init(
    group: EventLoopGroup, options: ClientConnectionOptions = ClientConnectionOptions(),
    makeSecurity: (@Sendable (_ serverName: String, _ address: SocketAddress) throws -> any TransportSecurity)? = nil
  ) {
    self.group = group
    self.options = options
    self.makeSecurity = makeSecurity
  }

  package func connect(
    to address: SocketAddress, authority: String, serverName: String?, timeout: Duration,
    observer: any ClientConnectionObserver
  ) -> any Dial {
    if case .inProcess(let name) = address {
      return InProcessListener.connect(
        to: name, maxMetadataBytes: options.maxMetadataBytes, observer: observer, failingOn: group.next())
    }
    let dial = HTTP2Dial(
      loop: group.next(), authority: authority, observer: observer, options: options)
    let makeSecurity = makeSecurity.map { make in { @Sendable () throws in try make(serverName ?? authority, address) }
    }
    dial.start(to: address, timeout: timeout, makeSecurity: makeSecurity)
    return dial
  }
}

/// A dial, from the socket to the peer's SETTINGS, within one time-out.
final class HTTP2Dial: Dial, ClientConnectionObserver, @unchecked Sendable {  // Isolation: loop
  private let loop: EventLoop
  private let authority: String
  private let options: ClientConnectionOptions
  // On the loop.
  private var observer: (any ClientConnectionObserver)?
  private var connector: SocketConnector?
  private var connection: HTTP2ClientConnection?
  private var timer: LoopTimer?
  private var isReady = false

  init(
    loop: EventLoop, authority: String, observer: any ClientConnectionObserver, options: ClientConnectionOptions
  ) {
    self.loop = loop
    self.authority = authority
    self.observer = observer
    self.options = options
  }

  func start(
    to address: SocketAddress, timeout: Duration, makeSecurity: (@Sendable () throws -> any TransportSecurity)?
  ) {
    loop.execute { [self] in
      guard observer != nil else { return }
      guard let destination = SocketDestination(address) else { return fail("\(address) is not a socket address") }
      timer = loop.schedule(after: timeout) { [self] in
        guard !isReady else { return }
        let what = connection?.stage ?? "no connection"
        timedOut("\(what) within \(timeout)")
      }
      connector = SocketConnector.connect(to: destination, on: loop, timeout: timeout) { [self] result in
        connected(result, makeSecurity)
      }
    }
  }

  private func connected(
    _ result: Result<Socket, SocketError>, _ makeSecurity: (@Sendable () throws -> any TransportSecurity)?
  ) {
    connector = nil
    switch result {
    case .failure(let error): fail(error.description)
    case .success(let socket):
      do {
        let security = try makeSecurity?()
        if let timeout = options.userTimeout, let option = SocketCalls.userTimeoutOption {
          socket.setTCPOption(option, Int32(clamping: timeout.components.seconds * 1000))
        }
        connection = HTTP2ClientConnection(
          socket: socket, authority: authority, options: options, security: security, observer: self)
      } catch {
        socket.close()
        fail("\(error)")
      }
    }
  }

  private func timedOut(_ reason: String) {
    connector?.cancel()
    connector = nil
    if let connection { connection.close(reason: reason) } else { fail(reason) }
  }

  private func fail(_ reason: String) {
    timer?.cancel()
    observer.take()?.connectionClosed(error: reason)
  }

  func cancel() {
    loop.execute { [self] in
      observer = nil
      timer?.cancel()
      connector?.cancel()
      connection?.close(reason: "given up")
      connection = nil
    }
  }

  func connectionReady(_ connection: any ClientConnection) {
    isReady = true
    timer?.cancel()
    observer?.connectionReady(connection)
  }

  func connectionCapacityChanged(_ connection: any ClientConnection, hasRoom: Bool) {
    observer?.connectionCapacityChanged(connection, hasRoom: hasRoom)
  }

  func connectionNearsEnd(_ connection: any ClientConnection, cause: NearEnd) {
    observer?.connectionNearsEnd(connection, cause: cause)
  }

  func connectionDraining(_ connection: any ClientConnection, cause: DrainCause, reason: String) {
    observer?.connectionDraining(connection, cause: cause, reason: reason)
  }

  func connectionClosed(error: String?) {
    timer?.cancel()
    connection = nil
    observer.take()?.connectionClosed(error: error)
  }
}
