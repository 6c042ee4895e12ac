import VoleryObservation

/// Who hears of a call, and of what; asked once, when the call begins. Where nobody looks, there is none.
struct CallWatch {
  let observer: any CallObserver
  let hearsAttempts: Bool

  /// Nil where nobody wants to hear of the call.
  init?(_ call: borrowing ObservedCall, _ observer: borrowing any Observer) {
    guard let found = observer.callStarted(call) else { return nil }
    self.observer = found
    hearsAttempts = found.hearsAttempts
  }
}
