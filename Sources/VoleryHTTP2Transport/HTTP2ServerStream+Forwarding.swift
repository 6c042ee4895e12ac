import VoleryHTTP2Session

// What a call needs that is passed on as bytes.
extension HTTP2ServerStream {
  package func passBytes() -> Bool {
    handOverBytes()
    return true
  }

  package var acceptedEncodingsText: String? { connection.session.receivedField("grpc-accept-encoding") }

  package var likeness: Int? { unsafeDowncast(connection, to: HTTP2ServerConnection.self).lastRequest.likeness }

  package func tellWhenWritable() { tellWhenDrained() }

  package func reset(_ code: UInt32) {
    let code = HTTP2ErrorCode(rawValue: code)
    // It is not this client that has made the server reset its stream.
    if code != .noError, code != .cancel { connection.session.leaveOutReset() }
    end(without: code)
  }
}
