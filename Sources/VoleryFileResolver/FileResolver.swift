import Synchronization
import VoleryEventLoops
import VoleryNameResolution
import VoleryTypes

/// Follows one file, in the task that runs it. The file is read on a thread that may hang with it, which holds up nobody else.
final class FileResolver: Resolver {
  private let path: String
  private let loop: EventLoop
  private let interval: Duration
  /// Set while it runs.
  private let signal = Mutex<AsyncStream<Void>.Continuation?>(nil)
  /// Read the file though it looks the same.
  private let mustRead = Atomic<Bool>(true)
  /// Say again what holds.
  private let isAsked = Atomic<Bool>(false)

  private static let rest = Duration.milliseconds(20)
  /// What is bad is read once more after this: its writer may not have come to the end.
  private static let secondLook = Duration.milliseconds(100)

  /// - Parameter interval: As often it looks by itself.
  init(path: String, on loop: EventLoop, interval: Duration) {
    self.path = path
    self.loop = loop
    self.interval = interval
  }

  var answersResolveNow: Bool { true }

  func resolveNow(_ cause: ResolveCause) {
    isAsked.store(true, ordering: .relaxed)
    look()
  }

  private func look() {
    mustRead.store(true, ordering: .relaxed)
    signal.withLock { _ = $0?.yield() }
  }

  func run(_ publish: @escaping @Sendable (ResolverUpdate) -> Bool) async throws {
    let (signals, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    signal.withLock { $0 = continuation }
    let file = WatchedFile(path: path, on: loop) { [weak self] in self?.look() }
    let clock = Task { [interval] in
      while !Task.isCancelled {
        try? await Task.sleep(for: interval)
        continuation.yield()
      }
    }
    defer {
      clock.cancel()
      file.close()
      signal.withLock { $0 = nil }
    }
    var last: ResolverUpdate?
    continuation.yield()
    for await _ in signals {
      if let update = await read(file) {
        last = update
        _ = publish(update)
      } else if isAsked.exchange(false, ordering: .relaxed), let last {
        _ = publish(last)
      } else {
        // Others may write in the same directory all the time.
        try? await Task.sleep(for: FileResolver.rest)
      }
    }
  }

  /// What the file says; nil when that is what it said before.
  private func read(_ file: WatchedFile) async -> ResolverUpdate? {
    let isSure = mustRead.exchange(false, ordering: .relaxed)
    var update = await FileResolver.look(file, isSure: isSure, path)
    if case .failed? = update {
      try? await Task.sleep(for: FileResolver.secondLook)
      update = await FileResolver.look(file, isSure: true, path) ?? update
    }
    return update
  }

  private static func look(_ file: WatchedFile, isSure: Bool, _ path: String) async -> ResolverUpdate? {
    if let content = await BlockingPool.files.value({ file.read(isSure: isSure) }) { return update(content, path) }
    guard !Task.isCancelled else { return nil }
    return .failed(StatusError(.unavailable, "the file \(path) can't be read: too many reads of files hang"))
  }

  private static func update(_ content: WatchedFile.Content, _ path: String) -> ResolverUpdate? {
    switch content {
    case .unchanged: return nil
    case .unreadable(let reason):
      return .failed(StatusError(.unavailable, "the file \(path) can't be read: \(reason)"))
    case .bytes(let bytes):
      guard let text = String(validating: bytes, as: UTF8.self) else {
        return .failed(StatusError(.unavailable, "the file \(path) is not UTF-8"))
      }
      do throws(ServiceConfigError) {
        return .resolved(try EndpointFile.parse(text, note: path))
      } catch {
        return .failed(StatusError(.unavailable, "the file \(path) is bad: \(error)"))
      }
    }
  }
}
