/// A version of TLS.
public struct TLSVersion: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// As on the wire: 0x0303 for 1.2.
  public let rawValue: UInt16

  /// TLS 1.2 (RFC 5246), the oldest that HTTP/2 allows (RFC 9113, 9.2).
  public static let v1_2 = TLSVersion(rawValue: 0x0303)
  /// TLS 1.3 (RFC 8446).
  public static let v1_3 = TLSVersion(rawValue: 0x0304)

  /// True when `left` is the older one.
  public static func < (left: TLSVersion, right: TLSVersion) -> Bool { left.rawValue < right.rawValue }

  /// `TLS 1.3`; `TLS version` with the number for one without a name.
  public var description: String {
    switch rawValue {
    case 0x0300: "SSL 3.0"
    case 0x0301...0x0304: "TLS 1.\(rawValue - 0x0301)"
    default: "TLS version \(rawValue)"
    }
  }
}

/// What both ends of TLS may be told; the defaults are right for nearly everybody.
public struct TLSOptions: Sendable {
  /// 1.2.
  public var minimumVersion = TLSVersion.v1_2
  /// 1.3.
  public var maximumVersion = TLSVersion.v1_3
  /// How often the files of certificates, keys and roots are looked at, beside what the system tells of them (inotify), which
  /// counts at once; what has changed holds for new connections, and those that are open stay. Files that can't be used are told
  /// of when they have been so for this long. 1 second, at least 10 ms; nil: files are read once.
  public var reloadInterval: Duration? = .seconds(1)
  /// Whether connections may resume sessions of earlier ones, which saves them the certificates' check. True.
  public var resumesSessions = true

  /// TLS 1.2 to 1.3, files looked at each second, sessions resumed.
  public init() {}
}

/// How a client checks its server's certificate.
public struct TLSVerification: Hashable, Sendable {
  enum Mode: Hashable, Sendable { case full, chain, none }

  let mode: Mode

  /// Signed by a root, valid today, made for servers, and for this name.
  public static let full = TLSVerification(mode: .full)
  /// As `full`, whatever its name: for peers that are known by something else, such as a SPIFFE id, which a closure checks.
  public static let anyName = TLSVerification(mode: .chain)
  /// Not at all: anybody can pretend to be the server. For tests.
  public static let none = TLSVerification(mode: .none)
}
