import JWTKit

/// Who calls, as the token says.
struct UserToken: JWTPayload {
  var sub: SubjectClaim
  var exp: ExpirationClaim
  var admin: Bool?

  func verify(using algorithm: some JWTAlgorithm) async throws { try exp.verifyNotExpired() }
}
