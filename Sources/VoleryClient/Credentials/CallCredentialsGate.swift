import VoleryPrimitives
import VoleryTypes

/// Which servers may see call credentials, and what it means when there are none to be had.
enum CallCredentialsGate {
  /// What keeps credentials from being sent to this peer.
  static func refusal(for peer: Peer) -> StatusError? {
    switch peer.address {
    case .unix, .unixAbstract, .inProcess: return nil
    case .tcp:
      guard !peer.isSecure else { return nil }
      return StatusError(
        .unauthenticated,
        "call credentials are not sent in plaintext: give the channel TLS credentials (the server is \(peer))")
    }
  }

  /// What all credentials say, one after another.
  static func metadata(
    of credentials: [any CallCredentials], for request: CallCredentialsRequest
  ) async throws(StatusError) -> Metadata {
    var all = Metadata()
    for one in credentials {
      do {
        all.append(contentsOf: try await one.metadata(for: request))
      } catch {
        throw status(of: error)
      }
    }
    if let violation = all.violation { throw StatusError(.internal, "call credentials: \(violation)") }
    return all
  }

  /// The codes that only an application may use are INTERNAL when they come from credentials (gRFC A54).
  private static func status(of error: any Error) -> StatusError {
    guard let error = error as? StatusError else {
      return StatusError(.unauthenticated, "no call credentials: \(String(line: "\(error)"))")
    }
    switch error.code {
    case .invalidArgument, .notFound, .alreadyExists, .failedPrecondition, .aborted, .outOfRange, .dataLoss:
      return StatusError(.internal, "call credentials failed with \(error.code): \(String(line: error.message))")
    default: return StatusError(error.code, "no call credentials: \(String(line: error.message))")
    }
  }
}
