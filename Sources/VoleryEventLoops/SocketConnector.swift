import CLibUV
import VoleryPlatform

/// One attempt to connect a socket. On its loop only.
package final class SocketConnector {
  private var descriptor: Int32 = -1
  private var poll: PollWatch?
  private var timer: LoopTimer?
  private var completion: ((Result<Socket, SocketError>) -> Void)?
  private let destination: SocketDestination
  private let loop: EventLoop

  private init(
    _ destination: SocketDestination, _ loop: EventLoop, _ completion: @escaping (Result<Socket, SocketError>) -> Void
  ) {
    self.destination = destination
    self.loop = loop
    self.completion = completion
  }

  /// Starts to connect; `completion` is called once, on the loop, never from inside this call, and not after `cancel`.
  package static func connect(
    to destination: SocketDestination, on loop: EventLoop, timeout: Duration,
    completion: @escaping (Result<Socket, SocketError>) -> Void
  ) -> SocketConnector {
    let connector = SocketConnector(destination, loop, completion)
    connector.start(timeout)
    return connector
  }

  private func start(_ timeout: Duration) {
    do throws(SocketError) {
      descriptor = try SocketDescriptor.make(for: destination)
    } catch {
      return finishLater(.failure(error))
    }
    let result = destination.withSocketAddress { VoleryPlatform.connect(descriptor, $0, $1) }
    guard let result else {
      return finishLater(.failure(SocketError(code: UV_EINVAL.rawValue, description: "not an address: \(destination)")))
    }
    if result == 0 { return finishLater(nil) }
    guard errno == EINPROGRESS else { return finishLater(.failure(SocketError(code: uv_translate_sys_error(errno)))) }
    timer = loop.schedule(after: timeout) { [self] in
      finish(.failure(SocketError(code: UV_ETIMEDOUT.rawValue, description: "no answer within \(timeout)")))
    }
    do throws(SocketError) {
      poll = try PollWatch(descriptor, on: loop)
      poll?.start([.writable]) { [self] _ in connected() }
    } catch {
      finishLater(.failure(error))
    }
  }

  private func connected() {
    let error = SocketDescriptor.pendingError(descriptor)
    finish(error == 0 ? nil : .failure(SocketError(code: uv_translate_sys_error(error))))
  }

  private func finishLater(_ result: Result<Socket, SocketError>?) {
    let outcome = Outcome(result)
    loop.execute { [self] in finish(outcome.result) }
  }

  /// Nil: the descriptor is connected.
  private func finish(_ failure: Result<Socket, SocketError>?) {
    guard let completion = completion.take() else { return }
    timer?.cancel()
    // uv forgets a descriptor only when its handle is closed: only then may another handle take it.
    stopPolling { [self] in
      if let failure {
        closeDescriptor()
        return completion(failure)
      }
      let adopted = descriptor
      descriptor = -1
      let isTCP = destination.family != AF_UNIX
      completion(Result { () throws(SocketError) in try Socket(adopting: adopted, isTCP: isTCP, on: loop) })
    }
  }

  package func cancel() {
    guard completion.take() != nil else { return }
    timer?.cancel()
    stopPolling { [self] in closeDescriptor() }
  }

  private func stopPolling(_ then: @escaping () -> Void) {
    guard let poll = poll.take() else { return then() }
    poll.close(then)
  }

  private func closeDescriptor() {
    if descriptor >= 0 { VoleryPlatform.close(descriptor) }
    descriptor = -1
  }

  private struct Outcome: @unchecked Sendable {  // Isolation: handed over
    let result: Result<Socket, SocketError>?
    init(_ result: Result<Socket, SocketError>?) { self.result = result }
  }
}

extension SocketConnector: @unchecked Sendable {}  // Isolation: loop
