import VoleryPrimitives

// A stream that is over, used again for another one of its session: a client's calls need no memory for theirs.
extension HTTP2Stream {
  /// It is over, and all of it has gone out and come in as it should.
  package var isThrough: Bool {
    hasPeerEnded && isBodyComplete && !isBodyDiscarded && !wasResetByPeer && chunks.isEmpty && payload == nil
      && trailers == nil && fixedTrailers == nil
  }

  /// As if it had just been made, after it was `isThrough` over.
  package func renew() {
    isSpare = false
    id = 0
    receivedByteCount = 0
    heldCredit = 0
    hasGivenCredit = false
    areHeadersSent = false
    hasPeerEnded = false
    offset = 0
    queuedByteCount = 0
    isBodyComplete = false
    isDeferred = false
    sharesTurns = false
    wantsDrained = false
  }
}
