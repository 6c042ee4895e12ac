import VoleryPlatform

/// Plain socket calls, non-blocking and closed on exec.
enum SocketDescriptor {
  static func make(for destination: SocketDestination) throws(SocketError) -> Int32 {
    let descriptor = SocketCalls.make(family: destination.family, type: SocketCalls.stream)
    guard descriptor >= 0 else { throw .last("socket") }
    return descriptor
  }

  static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
    var value = value
    setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }

  /// The error that a finished connect left; 0 when it is connected.
  static func pendingError(_ descriptor: Int32) -> Int32 {
    var error: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length)
    return error
  }
}
