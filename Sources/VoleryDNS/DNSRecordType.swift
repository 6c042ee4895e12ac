/// The record types that are asked for (RFC 1035, 3596, 2782).
package enum DNSRecordType: UInt16, Sendable {
  case a = 1
  case txt = 16
  case aaaa = 28
  case srv = 33
}

extension DNSRecordType: CustomStringConvertible {
  package var description: String {
    switch self {
    case .a: "A"
    case .aaaa: "AAAA"
    case .srv: "SRV"
    case .txt: "TXT"
    }
  }
}
