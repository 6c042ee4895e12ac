import CLibUV
import VoleryPlatform

/// What happens on a socket. All of it on the socket's loop; each call ends in a turn.
package protocol SocketDelegate: AnyObject {
  /// Bytes came; valid during the call only.
  func received(_ bytes: UnsafeRawBufferPointer)
  /// The peer sends no more.
  func receivedEnd()
  /// Everything that was written has gone to the kernel, after some of it had to wait.
  func writesDrained()
  /// The socket is gone: the peer reset it, or writing failed. Not called after `close`.
  func failed(_ error: SocketError)
}

/// A connected stream socket on its loop. All functions on the loop only.
package final class Socket {  // Isolation: loop
  package let loop: EventLoop
  /// Strong: a socket keeps its connection alive until it is closed.
  @exclusivity(unchecked) package var delegate: (any SocketDelegate)?
  @exclusivity(unchecked) private var isClosed = false
  @exclusivity(unchecked) private var isReading = false
  /// The peer takes nothing more; what it has sent is still read.
  @exclusivity(unchecked) private var isWriteBroken = false
  @exclusivity(unchecked) private var queuedByteCount = 0
  /// Bytes that wait for the kernel to take them.
  ///
  /// Computed, as `isWritable`: where a module looks at a stored property of another one's class, each look is checked for
  /// exclusive access, whatever the property says.
  package var waitingByteCount: Int { queuedByteCount }
  /// The kernel takes what is written now, as far as is known.
  package var isWritable: Bool { queuedByteCount == 0 && !isClosed }
  package let localAddress: SocketDestination?
  package let remoteAddress: SocketDestination?
  /// A uv_tcp_t or a uv_pipe_t.
  private let stream: UnsafeMutablePointer<uv_stream_t>
  private let isTCP: Bool

  /// Takes over a connected, non-blocking socket.
  package init(adopting descriptor: Int32, isTCP: Bool, on loop: EventLoop) throws(SocketError) {
    self.loop = loop
    self.isTCP = isTCP
    localAddress = Socket.name(descriptor, getsockname)
    remoteAddress = Socket.name(descriptor, getpeername)
    let size = max(MemoryLayout<uv_tcp_t>.size, MemoryLayout<uv_pipe_t>.size)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
    stream = memory.assumingMemoryBound(to: uv_stream_t.self)
    // Only writes to the handle, without a socket of its own.
    var code: Int32
    if isTCP {
      let tcp = memory.assumingMemoryBound(to: uv_tcp_t.self)
      code = uv_tcp_init(loop.uv, tcp)
      precondition(code == 0, "libuv makes no TCP handle: error \(code)")
      code = uv_tcp_open(tcp, descriptor)
      uv_tcp_nodelay(tcp, 1)
    } else {
      let pipe = memory.assumingMemoryBound(to: uv_pipe_t.self)
      code = uv_pipe_init(loop.uv, pipe, 0)
      precondition(code == 0, "libuv makes no pipe handle: error \(code)")
      code = uv_pipe_open(pipe, descriptor)
    }
    stream.pointee.data = Unmanaged.passRetained(self).toOpaque()
    if code != 0 {
      VoleryPlatform.close(descriptor)
      close()
      throw SocketError(code: code)
    }
  }

  private typealias NameFunction = (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32

  private static func name(_ descriptor: Int32, _ function: NameFunction) -> SocketDestination? {
    var storage = sockaddr_storage()
    var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let result = withUnsafeMutableBytes(of: &storage) {
      function(descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
    }
    return result == 0 ? SocketDestination(storage, length: length) : nil
  }

  private static func of(_ data: UnsafeMutableRawPointer) -> Socket {
    Unmanaged<Socket>.fromOpaque(data).takeUnretainedValue()
  }

  // MARK: Reading

  package func startReading() {
    guard !isClosed else { return }
    isReading = true
    uv_read_start(
      stream,
      { handle, _, buffer in
        let loop = EventLoop.of(handle!.pointee.loop)
        buffer!.pointee.base = loop.readBuffer.baseAddress!.assumingMemoryBound(to: CChar.self)
        buffer!.pointee.len = loop.readBuffer.count
      },
      { stream, count, buffer in
        Socket.of(stream!.pointee.data).read(count, buffer!.pointee.base)
      })
  }

  /// No more `received` until `startReading`: the kernel's buffer fills, and the peer has to wait.
  package func stopReading() {
    guard !isClosed else { return }
    isReading = false
    uv_read_stop(stream)
  }

  private func read(_ count: Int, _ base: UnsafeMutablePointer<CChar>?) {
    guard count != 0, !isClosed else { return }
    loop.wokeUp()
    let delegate = delegate
    if count > 0 {
      delegate?.received(UnsafeRawBufferPointer(start: base, count: count))
    } else {
      uv_read_stop(stream)
      if count == Int(UV_EOF.rawValue) {
        delegate?.receivedEnd()
      } else {
        fail(SocketError(code: Int32(count)))
      }
    }
    loop.finishTurn()
  }

  // MARK: Writing

  /// Writes as much as the kernel takes now, in one system call, and keeps a copy of the rest for later
  /// (`waitingByteCount`, then `writesDrained`). Whoever writes while bytes wait makes the queue longer: look first.
  package func write(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>) { _ = write(pieces, keeping: .max) }

  /// Of what the kernel does not take at once, `writeSome` copies so much.
  private static let waitingLimit = 16 << 10

  /// Writes as much as the kernel takes now, in one system call. Returns how many bytes the caller need not keep: all, or
  /// those and a few more, which wait here for the kernel; `writesDrained` says when to go on.
  package func writeSome(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Int {
    waitingByteCount == 0 ? write(pieces, keeping: Socket.waitingLimit) : 0
  }

  /// The same for bytes that are in one place.
  package func writeSome(_ bytes: UnsafeRawBufferPointer) -> Int {
    withUnsafePointer(to: bytes) { writeSome(UnsafeBufferPointer(start: $0, count: 1)) }
  }

  /// Keeps a copy of at most `limit` bytes that the kernel does not take. Returns how many bytes were taken or kept; all
  /// when the socket is closed or fails.
  private func write(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>, keeping limit: Int) -> Int {
    var total = 0
    for piece in pieces { total += piece.count }
    guard !isClosed, total > 0, !isWriteBroken else { return total }
    var taken = 0
    if waitingByteCount == 0 {
      let result = tryToWrite(pieces)
      if result < 0, result != UV_EAGAIN.rawValue, result != UV_ENOSYS.rawValue {
        writeFailed(result)
        return total
      }
      taken = max(0, Int(result))
    }
    guard taken < total else { return total }
    let count = min(total - taken, limit)
    writeLater(pieces, skipping: taken, count: count)
    return taken + count
  }

  /// The same for bytes that are in one place.
  package func write(_ bytes: UnsafeRawBufferPointer) {
    guard !bytes.isEmpty else { return }
    withUnsafePointer(to: bytes) { write(UnsafeBufferPointer(start: $0, count: 1)) }
  }

  private func tryToWrite(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>) -> Int32 {
    withUnsafeTemporaryAllocation(of: uv_buf_t.self, capacity: pieces.count) { buffers in
      for (index, piece) in pieces.enumerated() {
        let base = UnsafeMutableRawPointer(mutating: piece.baseAddress!).assumingMemoryBound(to: CChar.self)
        buffers.initializeElement(at: index, to: uv_buf_t(base: base, len: piece.count))
      }
      return uv_try_write(stream, buffers.baseAddress!, UInt32(buffers.count))
    }
  }

  private func writeLater(_ pieces: UnsafeBufferPointer<UnsafeRawBufferPointer>, skipping: Int, count: Int) {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    var offset = 0
    var skip = skipping
    for piece in pieces {
      let unsent = piece.dropFirst(min(skip, piece.count))
      skip -= piece.count - unsent.count
      let rest = UnsafeRawBufferPointer(rebasing: unsent.prefix(count - offset))
      guard let start = rest.baseAddress, !rest.isEmpty else { continue }
      (copy.baseAddress! + offset).copyMemory(from: start, byteCount: rest.count)
      offset += rest.count
    }
    queuedByteCount += count
    let request = UnsafeMutablePointer<uv_write_t>.allocate(capacity: 1)
    let pending = PendingWrite(socket: self, bytes: copy)
    request.pointee.data = Unmanaged.passRetained(pending).toOpaque()
    var buffer = uv_buf_t(base: copy.baseAddress!.assumingMemoryBound(to: CChar.self), len: count)
    let result = uv_write(request, stream, &buffer, 1) { request, status in
      let pending = Unmanaged<PendingWrite>.fromOpaque(request!.pointee.data).takeRetainedValue()
      request!.deallocate()
      pending.bytes.deallocate()
      pending.socket.wrote(pending.bytes.count, status)
    }
    if result != 0 {
      Unmanaged.passUnretained(pending).release()
      copy.deallocate()
      request.deallocate()
      writeFailed(result)
    }
  }

  private func wrote(_ count: Int, _ status: Int32) {
    queuedByteCount -= count
    guard !isClosed else { return }
    if status < 0 {
      writeFailed(status)
    } else if waitingByteCount == 0 {
      delegate?.writesDrained()
    }
    loop.finishTurn()
  }

  // MARK: Ending

  /// What the peer has sent before it closed may still lie here, its last answers and a GOAWAY: where it takes no more, that is
  /// read first, and the end of it is the end of the socket. It can't be far.
  private func writeFailed(_ code: Int32) {
    guard isReading, code == UV_EPIPE.rawValue || code == UV_ECONNRESET.rawValue else {
      return failLater(SocketError(code: code))
    }
    guard !isWriteBroken else { return }
    isWriteBroken = true
    _ = loop.schedule(after: .milliseconds(500)) { [weak self] in self?.fail(SocketError(code: code)) }
  }

  /// Never from inside a delegate's own call to `write`.
  private func failLater(_ error: SocketError) {
    loop.execute { [self] in fail(error) }
  }

  private func fail(_ error: SocketError) {
    guard !isClosed else { return }
    let delegate = delegate
    close()
    delegate?.failed(error)
  }

  /// Closes both directions at once; bytes that wait are given up. No event comes after it. May be called twice.
  package func close() {
    guard !isClosed else { return }
    isClosed = true
    delegate = nil
    uv_close(UnsafeMutableRawPointer(stream).assumingMemoryBound(to: uv_handle_t.self)) { handle in
      Unmanaged<Socket>.fromOpaque(handle!.pointee.data).release()
      UnsafeMutableRawPointer(handle!).deallocate()
    }
  }

  /// Sets an option of the TCP level, such as TCP_USER_TIMEOUT; nothing happens on a unix socket.
  package func setTCPOption(_ option: Int32, _ value: Int32) {
    guard isTCP, !isClosed else { return }
    var descriptor: Int32 = -1
    uv_fileno(UnsafeMutableRawPointer(stream).assumingMemoryBound(to: uv_handle_t.self), &descriptor)
    var value = value
    setsockopt(descriptor, Int32(IPPROTO_TCP), option, &value, socklen_t(MemoryLayout<Int32>.size))
  }
}

/// Bytes that the kernel did not take at once.
private final class PendingWrite: @unchecked Sendable {  // Isolation: handed over
  let socket: Socket
  let bytes: UnsafeMutableRawBufferPointer

  init(socket: Socket, bytes: UnsafeMutableRawBufferPointer) {
    self.socket = socket
    self.bytes = bytes
  }
}

extension Socket: @unchecked Sendable {}  // Isolation: loop
