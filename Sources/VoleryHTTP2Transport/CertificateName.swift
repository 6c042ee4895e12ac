/// The name that a server's certificate has to be for, taken from an authority: without port, brackets and the final dot.
package struct CertificateName {
  package let host: String

  package init(authority: String) {
    var text = Substring(authority)
    if text.first == "[", let end = text.firstIndex(of: "]") {
      host = String(text[text.index(after: text.startIndex)..<end])
      return
    }
    if let colon = text.firstIndex(of: ":"), text[text.index(after: colon)...].allSatisfy(\.isNumber) {
      text = text[..<colon]
    }
    if text.last == "." { text = text.dropLast() }
    host = String(text)
  }
}
