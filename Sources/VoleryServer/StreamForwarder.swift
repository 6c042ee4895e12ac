package import VoleryTransport

/// Takes the calls of methods that no service of a server has, as streams of bytes: a proxy.
package protocol StreamForwarder: AnyObject, Sendable {
  /// As `ServerStreamAcceptor.accept`.
  func accept(
    path: UnsafeRawBufferPointer, head: consuming ServerRequestHead, stream: any ServerStream
  ) -> (any ServerStreamHandler)?
}
