import VoleryHTTP2Session
import VoleryTypes

/// What an HTTP status means where the answer is not gRPC (doc/http-grpc-status-mapping.md).
func statusCode(httpStatus: Int) -> StatusCode {
  switch httpStatus {
  case 400: .internal
  case 401: .unauthenticated
  case 403: .permissionDenied
  case 404: .unimplemented
  case 429: .unavailable
  case 431: .internal
  case 502: .unavailable
  case 503: .unavailable
  case 504: .unavailable
  default: .unknown
  }
}

/// What RST_STREAM means where no status came before it (doc/PROTOCOL-HTTP2.md, HTTP2 Transport Mapping, Errors).
func statusCode(reset code: HTTP2ErrorCode) -> StatusCode {
  switch code {
  case .noError: .internal
  case .protocolError: .internal
  case .internalError: .internal
  case .flowControlError: .internal
  case .settingsTimeout: .internal
  case .streamClosed: .internal  // The document gives none; grpc-go's choice.
  case .frameSizeError: .internal
  case .refusedStream: .unavailable
  case .cancel: .cancelled
  case .compressionError: .internal
  case .connectError: .internal
  case .enhanceYourCalm: .resourceExhausted
  case .inadequateSecurity: .permissionDenied
  default: .unknown
  }
}
