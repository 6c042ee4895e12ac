/// A task-local value that holds for the handler of a server's call and for all that is called from it: how a trace's context
/// reaches the calls that a handler makes.
///
///     var handlerBinding: HandlerBinding? { HandlerBinding(RequestID.$current, to: id) }
public struct HandlerBinding: Sendable {
  private let steps: [any Step]

  private protocol Step: Sendable {
    func run(_ handler: () async throws -> Void) async throws
  }

  private struct Local<Value: Sendable>: Step {
    let local: TaskLocal<Value>
    let value: Value

    func run(_ handler: () async throws -> Void) async throws {
      try await local.withValue(value) { try await handler() }
    }
  }

  /// Binds one task-local to this value.
  public init<Value: Sendable>(_ local: TaskLocal<Value>, to value: Value) {
    steps = [Local(local: local, value: value)]
  }

  /// All of them; nil for none.
  package init?(_ bindings: [HandlerBinding]) {
    guard !bindings.isEmpty else { return nil }
    steps = bindings.flatMap(\.steps)
  }

  /// Runs a handler with the values, in the task that it is called from.
  ///
  /// - Throws: What it throws.
  package func run(_ handler: () async throws -> Void) async throws { try await run(from: 0, handler) }

  private func run(from index: Int, _ handler: () async throws -> Void) async throws {
    guard index < steps.count else { return try await handler() }
    try await steps[index].run { try await run(from: index + 1, handler) }
  }
}
