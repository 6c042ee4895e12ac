import VoleryEventLoops
import VoleryHTTP2Session

// The messages that wait on a connection: they are counted, and kept within `BufferLimits`.
extension HTTP2Connection {
  /// Once a turn: nothing but a comparison unless something large has come or gone.
  @inline(__always)
  func checkBuffers() {
    let change = session.bufferedByteCount &- buffers.toldByteCount
    if change.magnitude >= BufferLimits.step || buffers.isPeerAwaited { settleBuffers() }
  }

  private func settleBuffers() {
    let change = session.bufferedByteCount - buffers.toldByteCount
    buffers.toldByteCount += change
    buffers.limits.shared.change(by: change)
    noteMoved(abs(change))
    let mark = buffers.limits.mark
    perform(buffers.pacing.changed(waiting: session.waitingByteCount, mark: mark))
    if change > 0 { refuseIfFull() }
    guard buffers.isPeerAwaited, session.queuedByteCount < mark / 2 else { return }
    buffers.isPeerAwaited = false
    peerCaughtUp()
  }

  /// A step of its own: it reads the clock.
  private func noteMoved(_ byteCount: Int) {
    buffers.movedByteCount += byteCount
    guard buffers.movedByteCount >= 1 << 20 else { return }
    FreedMemory.shared.moved(buffers.movedByteCount, on: loop)
    buffers.movedByteCount = 0
  }

  /// Nothing waits any more: the connection is over.
  func releaseBuffers() {
    buffers.timer.take()?.cancel()
    let told = buffers.toldByteCount
    buffers.toldByteCount = 0
    if told != 0 { buffers.limits.shared.change(by: -told) }
    let moved = abs(told) + buffers.movedByteCount
    if moved > 0 { FreedMemory.shared.moved(moved, on: loop) }
  }

  // MARK: Slowing the peer down

  package func settingsAcknowledged() {
    let action = buffers.pacing.acknowledged()
    // What was taken before, and was too little for a wide window to be given back.
    if action != .none { for stream in receivingStreams { stream.giveCreditBack() } }
    perform(action)
  }

  private func perform(_ action: ReceivePacing.Action) {
    switch action {
    case .none: return
    case .narrow:
      session.announceStreamWindow(ReceivePacing.narrowWindow)
      buffers.patience = BufferAccount.patience
      buffers.underWay = receivingStreams.reduce(BufferLimits.underWay) { $0 + max(0, $1.receiveWindow) }
      startPacingTimer()
    case .letThrough: return letMessagesThrough(isStalled: false)
    case .widen: session.announceStreamWindow(usualStreamWindow)
    }
    setNeedsFlush()
  }

  /// Asks to be flushed only if there is something to say: a flush may have brought us here, and comes again if we ask.
  ///
  /// - Parameter isStalled: Those that were let through get no further: they must not hold up the others.
  private func letMessagesThrough(isStalled: Bool) {
    // What is complete has to wait too: more of it frees nothing.
    guard !buffers.isPeerAwaited else { return }
    var candidates: [ReceivePacing.Candidate] = []
    var outstanding = 0
    for stream in receivingStreams {
      let missing = stream.missingByteCount
      guard missing > 0 else { continue }
      if stream.isLetThrough {
        outstanding += missing
      } else if missing > stream.receiveWindow {
        candidates.append(ReceivePacing.Candidate(stream: stream.id, missing: missing))
      }
    }
    let room = buffers.limits.connectionLimit - session.waitingByteCount
    let chosen = ReceivePacing.choose(
      from: candidates, outstanding: isStalled ? 0 : outstanding, allowance: min(buffers.limits.allowance, room))
    guard !chosen.isEmpty else { return }
    let ids = Set(chosen.map(\.stream))
    for stream in receivingStreams where ids.contains(stream.id) { stream.letMessageThrough() }
    setNeedsFlush()
  }

  /// All streams of a connection are such.
  private var receivingStreams: some Sequence<ReceivingStream> {
    session.streams.lazy.map { unsafeDowncast($0, to: ReceivingStream.self) }
  }

  /// While the peer is slowed down: sees that what all connections have has changed, and who gets no further.
  private func startPacingTimer() {
    guard buffers.timer == nil else { return }
    buffers.outstandingBefore = nil
    buffers.timer = loop.schedule(after: .seconds(1)) { [unowned self] in lookAtPacing() }
  }

  private func lookAtPacing() {
    buffers.timer = nil
    buffers.patience = max(0, buffers.patience - 1)
    settleBuffers()
    refuseIfFull()
    guard buffers.pacing.phase != .open else { return }
    let outstanding = receivingStreams.reduce(0) { $0 + ($1.isLetThrough ? $1.missingByteCount : 0) }
    let isStalled = outstanding > 0 && outstanding == buffers.outstandingBefore
    if isStalled, buffers.pacing.phase == .narrow { letMessagesThrough(isStalled: true) }
    setNeedsFlush()
    startPacingTimer()
    buffers.outstandingBefore = outstanding
  }

  // MARK: Refusing

  /// Whether new calls are refused.
  var isFull: Bool {
    buffers.limits.shared.isFull || session.waitingByteCount > buffers.limit
  }

  /// Whether more is queued for the peer than it should be before it gets more.
  var isPeerBehind: Bool { session.queuedByteCount > buffers.limits.mark }

  /// Over a limit, the streams that have most waiting end: of the connection, where that is over its own.
  private func refuseIfFull() {
    let limits = buffers.limits
    var before = Int.max
    while session.waitingByteCount > buffers.limit, session.waitingByteCount < before {
      before = session.waitingByteCount
      refuseLargest("more than \(limits.connectionLimit) bytes of messages wait on this connection") {
        $0.waitingByteCount
      }
    }
    if limits.shared.isFull, buffers.toldByteCount > BufferLimits.share {
      refuseLargest("more than \(limits.shared.limit) bytes of messages wait on all connections") {
        // A client's own requests are its callers'.
        $0.waitingByteCount + (session.role == .server ? $0.queuedByteCount : 0)
      }
    }
  }

  private func refuseLargest(_ reason: String, by size: (ReceivingStream) -> Int) {
    guard let stream = receivingStreams.max(by: { size($0) < size($1) }), size(stream) > 0 else { return }
    stream.refusedForMemory(reason)
    setNeedsFlush()
  }
}
