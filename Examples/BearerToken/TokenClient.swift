import Foundation
import Volery

#if canImport(FoundationNetworking)
  import FoundationNetworking
#endif

/// Gets an access token by the client credentials grant (RFC 6749, 4.4).
struct TokenClient: Sendable {
  let url: URL
  let id: String
  let secret: String

  private struct Answer: Decodable {
    let access_token: String
    let expires_in: Int
  }

  private struct Refusal: Decodable {
    let error: String
  }

  func fetch() async throws -> BearerToken.Token {
    var request = URLRequest(url: url, timeoutInterval: 10)
    request.httpMethod = "POST"
    request.setValue("application/x-www-form-urlencoded", forHTTPHeaderField: "content-type")
    request.httpBody = Data("grant_type=client_credentials&client_id=\(id)&client_secret=\(secret)".utf8)
    let (data, response) = try await URLSession.shared.data(for: request)
    guard (response as? HTTPURLResponse)?.statusCode == 200 else {
      let refusal = try? JSONDecoder().decode(Refusal.self, from: data)
      throw StatusError(.unauthenticated, "the token server refused: \(refusal?.error ?? "no reason given")")
    }
    let answer = try JSONDecoder().decode(Answer.self, from: data)
    return BearerToken.Token(answer.access_token, validFor: .seconds(answer.expires_in))
  }
}
