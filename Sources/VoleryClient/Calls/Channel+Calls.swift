public import VoleryTypes

// Generated clients call these; call them yourself with a `Method` that you wrote by hand.
extension Channel {
  /// One request, one response.
  public func unary<Request, Response>(
    _ method: Method<Request, Response>, _ request: Request, options: CallOptions = CallOptions()
  ) async throws(StatusError) -> ClientResponse<Response> {
    let call = makeCall(method, options)
    try call.setRequest(call.frame(request, method.requestSerializer))
    call.start()
    return try await call.response(method.responseSerializer)
  }

  /// One request, a stream of responses.
  public func serverStreaming<Request, Response>(
    _ method: Method<Request, Response>, _ request: Request, options: CallOptions = CallOptions()
  ) -> ServerStreamingCall<Response> {
    let call = makeCall(method, options)
    do throws(StatusError) {
      try call.setRequest(call.frame(request, method.requestSerializer))
      call.start()
    } catch {
      call.end(error)  // The iteration throws it.
    }
    return ServerStreamingCall(handle: CallHandle(call), serializer: method.responseSerializer)
  }

  /// A stream of requests, one response.
  public func clientStreaming<Request, Response>(
    _ method: Method<Request, Response>, options: CallOptions = CallOptions()
  ) -> ClientStreamingCall<Request, Response> {
    let call = makeCall(method, options)
    call.start()
    return ClientStreamingCall(
      handle: CallHandle(call), requestSerializer: method.requestSerializer,
      responseSerializer: method.responseSerializer)
  }

  /// A stream in each direction.
  public func bidirectional<Request, Response>(
    _ method: Method<Request, Response>, options: CallOptions = CallOptions()
  ) -> BidirectionalCall<Request, Response> {
    let call = makeCall(method, options)
    call.start()
    return BidirectionalCall(
      handle: CallHandle(call), requestSerializer: method.requestSerializer,
      responseSerializer: method.responseSerializer)
  }

  private func makeCall<Request, Response>(_ method: Method<Request, Response>, _ options: CallOptions) -> ClientCall {
    ClientCall(
      core: core, method: method.descriptor, contentSubtype: method.requestSerializer.contentSubtype, options: options)
  }
}
