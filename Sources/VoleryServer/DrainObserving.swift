/// A service that wants to hear that its server is about to stop, before clients do: health turns to NOT_SERVING.
public protocol DrainObserving: Service {
  func drainBegan()
}
