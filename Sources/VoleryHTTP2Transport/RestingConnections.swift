import VoleryEventLoops

/// The connections of a loop that have had calls since they last rested. One that has had none for a second gives back what only
/// calls need: most connections rest most of the time. On the loop.
final class RestingConnections {  // Isolation: loop
  private unowned let loop: EventLoop
  private var awake: [HTTP2Connection] = []
  private var timer: LoopTimer?
  private static let interval = Duration.seconds(1)

  var count: Int { awake.count }

  init(_ loop: EventLoop) { self.loop = loop }

  static func of(_ loop: EventLoop) -> RestingConnections { loop.local { RestingConnections(loop) } }

  /// One that is not among them.
  func add(_ connection: HTTP2Connection) {
    connection.awakeIndex = awake.count
    awake.append(connection)
    if timer == nil { start() }
  }

  func remove(_ connection: HTTP2Connection) {
    let index = connection.awakeIndex
    guard index >= 0 else { return }
    let last = awake.removeLast()
    if index < awake.count {
      awake[index] = last
      last.awakeIndex = index
    }
    connection.awakeIndex = -1
  }

  private func start() {
    timer = loop.schedule(after: RestingConnections.interval) { [unowned self] in look() }
  }

  private func look() {
    timer = nil
    for connection in awake where connection.hasRested() { remove(connection) }
    if awake.isEmpty { awake = [] } else { start() }
  }
}
