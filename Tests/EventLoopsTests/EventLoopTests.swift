import Synchronization
import TestSupport
import Testing
import VoleryEventLoops

#if canImport(Glibc)
  import Glibc
#endif

/// What several threads collect.
private final class Collected<Value: Sendable>: Sendable {
  let value: Mutex<Value>
  init(_ value: Value) { self.value = Mutex(value) }
}

@Suite("Event loops", .timeLimit(.minutes(1))) struct EventLoopTests {
  @Test("work from many threads runs in each one's order") func execute() async throws {
    let group = try EventLoopGroup(loops: 1)
    let loop = group.loops[0]
    let seen = Collected<[Int: [Int]]>([:])
    await withTaskGroup(of: Void.self) { tasks in
      for thread in 0..<8 {
        tasks.addTask {
          await withCheckedContinuation { done in
            for index in 0..<2000 {
              loop.execute {
                seen.value.withLock { $0[thread, default: []].append(index) }
                if index == 1999 { done.resume() }
              }
            }
          }
        }
      }
    }
    for thread in 0..<8 { #expect(seen.value.withLock { $0[thread] } == Array(0..<2000)) }
    group.stop()
  }

  #if canImport(Glibc)
    /// What glibc notes in front of a block that has pages of its own.
    private func isMapped(_ byteCount: Int) throws -> Bool {
      let block = try #require(malloc(byteCount))
      defer { free(block) }
      return (block - MemoryLayout<UInt>.size).load(as: UInt.self) & 2 != 0
    }

    @Test("memory for messages of the usual limit is not mapped anew for each of them") func heapThreshold() throws {
      let group = try EventLoopGroup(loops: 1)
      #expect(try !isMapped(5 << 20))
      #expect(try isMapped(64 << 20))
      group.stop()
    }
  #endif

  @Test("a write to a peer that has gone is an error of its socket, and no signal to the process") func brokenPipe()
    async throws
  {
    let before = signal(SIGPIPE) { _ in brokenPipes.add(1, ordering: .relaxed) }
    defer { _ = signal(SIGPIPE, before) }
    let group = try EventLoopGroup(loops: 1)
    let loop = group.loops[0]
    #expect(SignalAction(of: SIGPIPE).callsHandler, "the process's own disposition is left alone")
    let heardBefore = brokenPipes.load(ordering: .relaxed)
    var ends: [Int32] = [0, 0]
    #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0, &ends) == 0)
    close(ends[1])
    let descriptor = ends[0]
    let failure = await withCheckedContinuation { (done: CheckedContinuation<String, Never>) in
      loop.execute {
        do {
          let socket = try Socket(adopting: descriptor, isTCP: false, on: loop)
          socket.delegate = FailureDelegate { done.resume(returning: $0) }
          [1, 2, 3].withUnsafeBytes { socket.write($0) }
        } catch {
          done.resume(returning: "no socket: \(error)")
        }
      }
    }
    #expect(failure.contains("broken pipe"))
    #expect(brokenPipes.load(ordering: .relaxed) == heardBefore)
    group.stop()
  }

  @Test("timers fire in order, and cancelled ones never") func timers() async throws {
    let group = try EventLoopGroup(loops: 1)
    let loop = group.loops[0]
    let fired = Collected<[Int]>([])
    await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
      loop.execute {
        var cancelled: [LoopTimer] = []
        for index in 0..<20_000 {
          cancelled.append(loop.schedule(after: .milliseconds(index % 50)) { fired.value.withLock { $0.append(-1) } })
        }
        for delay in [30, 10, 20, 0] {
          _ = loop.schedule(after: .milliseconds(delay)) { fired.value.withLock { $0.append(delay) } }
        }
        for timer in cancelled { timer.cancel() }
        _ = loop.schedule(after: .milliseconds(100)) { done.resume() }
      }
    }
    #expect(fired.value.withLock { $0 } == [0, 10, 20, 30])
    group.stop()
  }

  @Test(
    "no delay is too long for a timer",
    arguments: [
      Duration.seconds(18_446_744_073) + .milliseconds(900), .seconds(315_576_000_000), .seconds(Int64.max),
      Duration(secondsComponent: .max, attosecondsComponent: 999_999_999_999_999_999), .seconds(Int64.min),
    ])
  func longDelays(_ delay: Duration) async throws {
    let loop = try EventLoopGroup.shared().next()
    let isOver = await withCheckedContinuation { (done: CheckedContinuation<Bool, Never>) in
      loop.execute {
        let long = loop.schedule(after: delay) { if delay > .zero { done.resume(returning: true) } }
        _ = loop.schedule(after: .milliseconds(5)) {
          long.cancel()
          done.resume(returning: false)
        }
      }
    }
    #expect(!isOver)
  }

  @Test("a task that prefers a loop runs there, also after it has slept") func executorPreference() async throws {
    let group = try EventLoopGroup(loops: 2)
    let loop = group.loops[1]
    let task = Task(executorPreference: loop) {
      let before = loop.isCurrent
      try? await Task.sleep(for: .milliseconds(5))
      let after = loop.isCurrent
      await Task.yield()
      return before && after && loop.isCurrent
    }
    #expect(await task.value)
    group.stop()
  }

  @Test("a connection that is refused says so") func refused() async throws {
    let loop = try EventLoopGroup.shared().next()
    let error: SocketError? = await withCheckedContinuation { done in
      loop.execute {
        _ = SocketConnector.connect(to: .tcp(host: "127.0.0.1", port: 1), on: loop, timeout: .seconds(5)) { result in
          if case .failure(let error) = result { done.resume(returning: error) } else { done.resume(returning: nil) }
        }
      }
    }
    #expect(error?.description == "connection refused")
  }

  @Test("an address that is none is an error, not a crash", arguments: ["not-an-ip", "", "300.1.1.1"])
  func notAnAddress(_ host: String) async throws {
    let loop = try EventLoopGroup.shared().next()
    let hasFailed = await withCheckedContinuation { done in
      loop.execute {
        _ = SocketConnector.connect(to: .tcp(host: host, port: 1), on: loop, timeout: .seconds(5)) { result in
          if case .failure = result { done.resume(returning: true) } else { done.resume(returning: false) }
        }
      }
    }
    #expect(hasFailed)
  }

  @Test("a listener that stops takes its own socket file with it, and nobody else's") func socketFile() async throws {
    let loop = try EventLoopGroup.shared().next()
    let path = "/tmp/volery-\(getpid())-\(UInt64.random(in: .min ... .max)).sock"
    defer { unlink(path) }
    /// Whether there is a file, after the loop has done what it was told to.
    func isThere() async -> Bool {
      await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
        loop.execute { _ = loop.schedule(after: .milliseconds(20)) { done.resume() } }
      }
      return access(path, F_OK) == 0
    }
    func listen() throws -> Listener {
      let listener = try Listener(.unix(path: path), on: loop) { descriptor, _ in close(descriptor) }
      listener.start()
      return listener
    }
    let first = try listen()
    #expect(await isThere())
    // Another server takes the path over, as by a careless deployment.
    unlink(path)
    let second = try listen()
    first.stop()
    #expect(await isThere())
    second.stop()
    #expect(await !isThere())
    let third = try listen()
    third.stop()
    #expect(await !isThere())
  }

  @Test("a signal that the program has a handler for is left to it") func foreignSignal() async throws {
    let number = SIGUSR2
    #expect(!SignalWatch.isHandledByOthers(number))
    signal(number) { _ in handled.add(1, ordering: .relaxed) }
    // One that is still on its way must not end the process.
    defer { signal(number, SIG_IGN) }
    #expect(SignalWatch.isHandledByOthers(number))
    let own = SignalAction(of: number)
    let heard = Collected(0)
    let watch = SharedSignalWatch(number) { heard.value.withLock { $0 += 1 } }
    // Each one comes to the program's handler, also while the watch finds out whose the signal is.
    for count in 1...300 {
      kill(getpid(), number)
      try await eventually("signal \(count) has come to the program's handler") {
        handled.load(ordering: .relaxed) >= count
      }
      if count == 100 { try await eventually("the watch has left the signal to the program") { watch.isClosed } }
    }
    #expect(SignalAction(of: number) == own)
    #expect(heard.value.withLock { $0 } == 0)
    watch.close()
  }

  @Test("a watch of a loop is nobody else's handler, and leaves the signal as it was") func watchedSignal() async throws
  {
    let loop = try EventLoopGroup.shared().next()
    let before = SignalAction(of: SIGUSR1)
    let heard = AsyncStream.makeStream(of: Void.self)
    let watches = (0..<2).map { _ in SignalWatch(SIGUSR1, on: loop) { heard.continuation.yield() } }
    for watch in watches { await watch.begun() }
    #expect(SignalAction(of: SIGUSR1).callsHandler)
    #expect(!SignalWatch.isHandledByOthers(SIGUSR1))
    kill(getpid(), SIGUSR1)
    var iterator = heard.stream.makeAsyncIterator()
    for _ in watches { _ = await iterator.next() }
    for watch in watches { await watch.close() }
    #expect(SignalAction(of: SIGUSR1) == before)
  }
}

private final class FailureDelegate: SocketDelegate {
  private let onFailure: (String) -> Void
  init(_ onFailure: @escaping (String) -> Void) { self.onFailure = onFailure }
  func received(_ bytes: UnsafeRawBufferPointer) {}
  func receivedEnd() {}
  func writesDrained() {}
  func failed(_ error: SocketError) { onFailure(error.description) }
}

/// Of SIGPIPE.
private let brokenPipes = Atomic<Int>(0)
/// Counted by a signal handler.
private let handled = Atomic<Int>(0)
