import CLibUV
import VoleryPlatform

/// A listening socket. Accepts on its own loop and hands each new connection to the loop of the group that has the fewest.
package final class Listener: @unchecked Sendable {  // Isolation: loop
  /// Where it really listens: port 0 has become a port.
  package let localAddress: SocketDestination
  private let descriptor: Int32
  private let destination: SocketDestination
  /// What binding a unix socket has made.
  private let socketFile: SocketFile?
  private let loop: EventLoop
  private let accepted: @Sendable (_ descriptor: Int32, _ isTCP: Bool) -> Void
  private var poll: PollWatch?  // On the loop.
  private var pause: LoopTimer?  // On the loop.
  private var isStopped = false  // On the loop.

  /// Binds and listens at once; accepts from `start` on. `accepted` gets a connected, non-blocking descriptor that it now
  /// owns; it is called on the listener's loop.
  package init(
    _ destination: SocketDestination, on loop: EventLoop, backlog: Int32 = 1024, reusePort: Bool = false,
    accepted: @escaping @Sendable (_ descriptor: Int32, _ isTCP: Bool) -> Void
  ) throws(SocketError) {
    self.destination = destination
    self.loop = loop
    self.accepted = accepted
    let descriptor = try SocketDescriptor.make(for: destination)
    self.descriptor = descriptor
    if destination.family != AF_UNIX {
      SocketDescriptor.set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
      if reusePort { SocketDescriptor.set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
      // "::" takes IPv4 too, as users of every other server expect.
      if destination.family == AF_INET6 { SocketDescriptor.set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
    } else if case .unix(let path) = destination {
      Listener.removeStaleSocket(path)
    }
    do throws(SocketError) {
      try Listener.bind(descriptor, to: destination, backlog: backlog)
      localAddress = Listener.name(of: descriptor) ?? destination
      if case .unix(let path) = destination { socketFile = SocketFile(path) } else { socketFile = nil }
    } catch {
      VoleryPlatform.close(descriptor)
      throw error
    }
  }

  private static func bind(_ descriptor: Int32, to destination: SocketDestination, backlog: Int32) throws(SocketError) {
    let result = destination.withSocketAddress { VoleryPlatform.bind(descriptor, $0, $1) }
    guard let result else {
      throw SocketError(code: UV_EINVAL.rawValue, description: destination.whyNoAddress)
    }
    guard result == 0, listen(descriptor, backlog) == 0 else {
      let error = SocketError.last("can't listen on \(destination)")
      guard error.code == UV_EADDRINUSE.rawValue, case .tcp = destination else { throw error }
      throw SocketError(
        code: error.code,
        description: "\(error.description); end what has the port, or write another one: 0 takes a free one")
    }
  }

  private static func name(of descriptor: Int32) -> SocketDestination? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = withUnsafeMutableBytes(of: &storage) {
      getsockname(descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
    }
    return result == 0 ? SocketDestination(storage, length: length) : nil
  }

  /// A socket file that a dead process has left behind, and nothing else.
  private static func removeStaleSocket(_ path: String) {
    var information = stat()
    guard lstat(path, &information) == 0, information.st_mode & S_IFMT == S_IFSOCK,
      let probe = try? SocketDescriptor.make(for: .unix(path: path))
    else { return }
    defer { VoleryPlatform.close(probe) }
    let result = SocketDestination.unix(path: path).withSocketAddress { connect(probe, $0, $1) }
    if result == -1, errno == ECONNREFUSED { unlink(path) }
  }

  package func start() {
    loop.execute { [self] in watch() }
  }

  private func watch() {
    guard !isStopped else { return }
    do throws(SocketError) {
      if poll == nil { poll = try PollWatch(descriptor, on: loop) }
      poll?.start([.readable]) { [self] _ in acceptSome() }
    } catch {
      // The system has no room for it: the kernel keeps the connections in its queue meanwhile.
      pauseAccepting()
    }
  }

  private func acceptSome() {
    for _ in 0..<64 {
      let connection = accept(descriptor, nil, nil)
      guard connection >= 0 else {
        if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(errno) { pauseAccepting() }
        return
      }
      SocketCalls.prepare(connection)
      accepted(connection, destination.family != AF_UNIX)
    }
  }

  /// Out of descriptors: the kernel keeps the connections in its queue, and asking again at once would only spin.
  private func pauseAccepting() {
    poll?.stop()
    pause = loop.schedule(after: .milliseconds(100)) { [self] in watch() }
  }

  /// Stops listening. Any thread; may be called twice.
  package func stop() {
    loop.execute { [self] in
      guard !isStopped else { return }
      isStopped = true
      pause?.cancel()
      guard let poll = poll.take() else { return close() }
      poll.close { [self] in close() }
    }
  }

  private func close() {
    // Before the socket is closed: as long as it is open nobody else's can have its number.
    if case .unix(let path) = destination, socketFile != nil, SocketFile(path) == socketFile { unlink(path) }
    VoleryPlatform.close(descriptor)
  }
}

/// Which file a unix socket has, to tell it from another one that has taken its path.
private struct SocketFile: Equatable {
  let device: dev_t
  let inode: ino_t

  /// Nil: there is no socket at this path.
  init?(_ path: String) {
    var information = stat()
    guard lstat(path, &information) == 0, information.st_mode & S_IFMT == S_IFSOCK else { return nil }
    device = information.st_dev
    inode = information.st_ino
  }
}
