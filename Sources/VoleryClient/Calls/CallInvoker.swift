public import VoleryTypes

/// Makes calls on a channel, with interceptors of its own around them and defaults for what a call's own options leave open.
/// Generated clients call through one. A channel's own calls (`Channel.unary` and the like) have its interceptors only.
public struct CallInvoker: Sendable {
  /// The channel that the calls are made on.
  public let channel: Channel
  /// The channel's, then those given here; put together once, so that a call finds them ready.
  @usableFromInline let interceptors: [any ClientInterceptor]
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

  // Specialised where the client is: no message type is looked up at run time.

  /// One request, one response.
  @inlinable public func unary<Request, Response>(
    _ method: Method<Request, Response>, _ request: Request, options: CallOptions = CallOptions()
  ) async throws(StatusError) -> ClientResponse<Response> {
    let (call, snapshot) = makeCall(method.descriptor, method.requestSerializer.contentSubtype, options)
    if interceptors.isEmpty {
      let frame = try call.frame(request, method.requestSerializer)
      await withTaskCancellationHandler {
        await withUnsafeContinuation { call.start(snapshot, frame, $0) }
      } onCancel: {
        call.cancel()
      }
    } else {
      call.hold(request, method.requestSerializer)
      if call.interceptsInOwnTask {
        await call.interceptInOwnTask()
      } else {
        let invocation = ClientInvocation(call)
        do {
          try await interceptors[0].intercept(invocation, ClientInvocation.Next(invocation, index: 0))
          call.interceptorsReturned()
        } catch {
          call.interceptorsFailed(error)
        }
      }
    }
    return try call.takeResponse(method.responseSerializer)
  }

  /// One request, a stream of responses.
  public func serverStreaming<Request, Response>(
    _ method: Method<Request, Response>, _ request: Request, options: CallOptions = CallOptions()
  ) -> ServerStreamingCall<Response> {
    let (call, snapshot) = makeCall(method.descriptor, method.requestSerializer.contentSubtype, options)
    let handle = CallHandle(call)
    guard interceptors.isEmpty else {
      call.hold(request, method.requestSerializer)
      handle.intercept()
      return ServerStreamingCall(handle: handle, serializer: call.hooked(response: method.responseSerializer))
    }
    // What it throws, the iteration throws.
    do throws(StatusError) {
      call.queue(try call.frame(request, method.requestSerializer))
      call.start(snapshot)
    } catch {}
    return ServerStreamingCall(handle: handle, serializer: method.responseSerializer)
  }

  /// A stream of requests, one response.
  public func clientStreaming<Request, Response>(
    _ method: Method<Request, Response>, options: CallOptions = CallOptions()
  ) -> ClientStreamingCall<Request, Response> {
    let handle = streamingCall(method, options)
    return ClientStreamingCall(
      handle: handle, requestSerializer: handle.call.hooked(request: method.requestSerializer),
      responseSerializer: method.responseSerializer)
  }

  /// A stream in each direction.
  public func bidirectional<Request, Response>(
    _ method: Method<Request, Response>, options: CallOptions = CallOptions()
  ) -> BidirectionalCall<Request, Response> {
    let handle = streamingCall(method, options)
    return BidirectionalCall(
      handle: handle, requestSerializer: handle.call.hooked(request: method.requestSerializer),
      responseSerializer: handle.call.hooked(response: method.responseSerializer))
  }

  /// A call whose client streams, started.
  private func streamingCall<Request, Response>(
    _ method: Method<Request, Response>, _ options: CallOptions
  ) -> CallHandle {
    let (call, snapshot) = makeCall(method.descriptor, method.requestSerializer.contentSubtype, options)
    let handle = CallHandle(call)
    if interceptors.isEmpty { call.start(snapshot) } else { handle.intercept() }
    return handle
  }

  /// - Returns: The call, and what the channel's control plane has published, read once a call.
  @usableFromInline func makeCall(
    _ method: MethodDescriptor, _ contentSubtype: String?, _ options: CallOptions
  ) -> (ClientCall, PublishedPicker) {
    let plane = channel.core.dataPlane
    let snapshot = plane.published.current
    guard let defaults else { return (makeCall(method, contentSubtype, options, plane, snapshot), snapshot) }
    return (makeCall(method, contentSubtype, options.completed(by: defaults.options), plane, snapshot), snapshot)
  }

  private func makeCall(
    _ method: MethodDescriptor, _ contentSubtype: String?, _ options: CallOptions, _ plane: DataPlane,
    _ snapshot: PublishedPicker
  ) -> ClientCall {
    let now = Moment.now
    return ClientCall(
      channel: plane, snapshot: snapshot, method: method, contentSubtype: contentSubtype, metadata: options.metadata,
      deadline: CallTerms.deadline(options, now: now), given: GivenOptions.of(options), interceptors: interceptors,
      now: now)
  }
}
