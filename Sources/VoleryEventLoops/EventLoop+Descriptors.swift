import VoleryPlatform

// What a loop takes of the process.
extension EventLoop {
  /// The descriptors of a loop (seven for the first: libuv's signals have a pipe besides), and two that are left to others.
  private static let descriptorCount = 9

  /// libuv ends the process where it gets no pipe for its signals, and libdispatch where it gets no descriptor for the main
  /// queue: whether there are enough of them is found out before. Another thread may still take them in between.
  static func checkDescriptors() throws(SocketError) {
    var descriptors: [Int32] = []
    defer { for descriptor in descriptors { close(descriptor) } }
    for _ in 0..<descriptorCount {
      let descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC)
      guard descriptor >= 0 else { throw .last("an event loop can't be made") }
      descriptors.append(descriptor)
    }
  }
}
