public import VoleryTypes

/// Makes calls on a channel, with interceptors of its own around them and defaults for what a call's own options leave open.
/// Generated clients call through one. A channel's own calls (`Channel.unary` and the like) have its interceptors only.
public struct CallInvoker: Sendable {
  /// The channel that the calls are made on.
  public let channel: Channel
  /// The channel's, then those given here; put together once, so that a call finds them ready.
  let interceptors: [any ClientInterceptor]
  /// Nil: there are none.
  private let defaults: Defaults?

  private final class Defaults: Sendable {
    let options: CallOptions
    init(_ options: CallOptions) { self.options = options }
  }

  /// Calls on this channel, with what is given here around each of them.
  ///
  /// - Parameters:
  ///   - interceptors: Around every call, the first one outermost, inside those of the channel's options.
  ///   - defaults: What holds where a call's own options say nothing; metadata is sent before a call's own, and of two
  ///     deadlines the earlier one holds.
  /// - Precondition: at most 64 interceptors, the channel's included.
  public init(_ channel: Channel, interceptors: [any ClientInterceptor] = [], defaults: CallOptions? = nil) {
    self.channel = channel
    let all = channel.core.options.interceptors
    self.interceptors = interceptors.isEmpty ? all : all + interceptors
    self.defaults = defaults.map(Defaults.init)
    precondition(
      self.interceptors.count <= Interception.maxInterceptors,
      "a call can have \(Interception.maxInterceptors) interceptors, not \(self.interceptors.count)")
  }

  /// One request, one response.
  public func unary<Request, Response>(
    _ method: Method<Request, Response>, _ request: Request, options: CallOptions = CallOptions()
  ) async throws(StatusError) -> ClientResponse<Response> {
    let snapshot = channel.core.dataPlane.published.current
    let call = makeCall(method, options, snapshot)
    guard interceptors.isEmpty else {
      let intercepted = InterceptedCall(call, method, request: request, interceptors: interceptors)
      return try await intercepted.response()
    }
    try call.start(with: request, method.requestSerializer, snapshot)
    return try await call.response(method.responseSerializer)
  }

  /// One request, a stream of responses.
  public func serverStreaming<Request, Response>(
    _ method: Method<Request, Response>, _ request: Request, options: CallOptions = CallOptions()
  ) -> ServerStreamingCall<Response> {
    let snapshot = channel.core.dataPlane.published.current
    let call = makeCall(method, options, snapshot)
    let handle = CallHandle(call)
    guard interceptors.isEmpty else {
      let intercepted = InterceptedCall(call, method, request: request, interceptors: interceptors)
      handle.begin(intercepted)
      return ServerStreamingCall(handle: handle, serializer: intercepted.hookedResponseSerializer)
    }
    // What it throws, the iteration throws.
    do throws(StatusError) { try call.start(with: request, method.requestSerializer, snapshot) } catch {}
    return ServerStreamingCall(handle: handle, serializer: method.responseSerializer)
  }

  /// A stream of requests, one response.
  public func clientStreaming<Request, Response>(
    _ method: Method<Request, Response>, options: CallOptions = CallOptions()
  ) -> ClientStreamingCall<Request, Response> {
    let (handle, intercepted) = streamingCall(method, options)
    return ClientStreamingCall(
      handle: handle, requestSerializer: intercepted?.hookedRequestSerializer ?? method.requestSerializer,
      responseSerializer: method.responseSerializer)
  }

  /// A stream in each direction.
  public func bidirectional<Request, Response>(
    _ method: Method<Request, Response>, options: CallOptions = CallOptions()
  ) -> BidirectionalCall<Request, Response> {
    let (handle, intercepted) = streamingCall(method, options)
    return BidirectionalCall(
      handle: handle, requestSerializer: intercepted?.hookedRequestSerializer ?? method.requestSerializer,
      responseSerializer: intercepted?.hookedResponseSerializer ?? method.responseSerializer)
  }

  /// A call whose client streams, started.
  private func streamingCall<Request, Response>(
    _ method: Method<Request, Response>, _ options: CallOptions
  ) -> (CallHandle, InterceptedCall<Request, Response>?) {
    let snapshot = channel.core.dataPlane.published.current
    let call = makeCall(method, options, snapshot)
    let handle = CallHandle(call)
    guard interceptors.isEmpty else {
      let intercepted = InterceptedCall(call, method, request: nil, interceptors: interceptors)
      handle.begin(intercepted)
      return (handle, intercepted)
    }
    call.start(snapshot)
    return (handle, nil)
  }

  private func makeCall<Request, Response>(
    _ method: Method<Request, Response>, _ options: CallOptions, _ snapshot: borrowing PublishedPicker
  ) -> ClientCall {
    ClientCall(
      channel: channel.core.dataPlane, snapshot: snapshot, method: method.descriptor,
      contentSubtype: method.requestSerializer.contentSubtype,
      options: defaults.map { options.completed(by: $0.options) } ?? options, isIntercepted: !interceptors.isEmpty)
  }
}
