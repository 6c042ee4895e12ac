/// Suspends until the current task is cancelled: how a resolver's `run` waits when everything comes by other ways.
package func untilCancelled() async {
  let (never, continuation) = AsyncStream.makeStream(of: Never.self)
  for await _ in never {}
  continuation.finish()  // Alive until here: the stream would end with it.
}
