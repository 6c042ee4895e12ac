import VoleryTypes

/// What the caller and the channel's configuration say of a call, put together: the caller's word where there is one, and of two
/// limits and two deadlines the tighter one (doc/service_config.md). A value.
struct CallTerms {
  /// The picker with which it became known what the channel says of the call (`PublishedPicker.configuredAt`). Nil: it has said
  /// nothing yet, because the resolver has not answered, or because interceptors come before the config selector.
  var configuredAt: PickerGeneration?
  private(set) var waitForReady: Bool
  /// What is accepted at most, in bytes of a message.
  private(set) var maxResponseBytes: Int
  /// Nobody can ask for anything that the server says before the end, and there is one attempt at a time.
  private(set) var keepsAnswerOnAttempt: Bool

  /// As long as nothing is configured.
  ///
  /// - Parameter limit: The channel's, in bytes of a response.
  init(_ method: MethodDescriptor, _ given: GivenOptions?, limit: Int) {
    waitForReady = given?.options.waitForReady ?? false
    maxResponseBytes = given?.options.maxResponseMessageBytes ?? limit
    keepsAnswerOnAttempt = method.kind == .unary
  }

  /// The control plane has something to say of the method.
  mutating func follow(_ configuration: MethodConfig, _ given: GivenOptions?) {
    waitForReady = given?.options.waitForReady ?? configuration.waitForReady ?? false
    if let limit = configuration.maxResponseMessageBytes {
      maxResponseBytes = min(given?.options.maxResponseMessageBytes ?? limit, limit)
    }
    if configuration.hedgingPolicy != nil { keepsAnswerOnAttempt = false }
  }

  /// When a call that begins now has to be over, by what its caller says.
  static func deadline(_ options: borrowing CallOptions, now: Moment) -> Deadline {
    var deadline = options.deadline
    if let timeout = options.timeout { deadline = min(deadline, Deadline(now.advanced(by: timeout))) }
    if options.inheritsDeadline { deadline = min(deadline, CallScope.deadline) }
    return deadline
  }
}
