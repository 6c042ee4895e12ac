import Synchronization

/// A catalog that is made by the first who asks for it, on Swift's shared pool: reading a large server's descriptors takes
/// longer than an event loop should be kept. Any thread.
final class LazyCatalog: Sendable {
  private let make: @Sendable () -> ReflectionCatalog
  private let task = Mutex<Task<ReflectionCatalog, Never>?>(nil)

  init(_ make: @escaping @Sendable () -> ReflectionCatalog) { self.make = make }

  var value: ReflectionCatalog {
    get async {
      let task = task.withLock { task in
        let running = task ?? Task { [make] in await LazyCatalog.run(make) }
        task = running
        return running
      }
      return await task.value
    }
  }

  @concurrent private static func run(_ make: @Sendable () -> ReflectionCatalog) async -> ReflectionCatalog { make() }
}
