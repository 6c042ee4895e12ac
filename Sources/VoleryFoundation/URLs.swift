public import VoleryTLSSession
public import VoleryWellKnownTypes

#if canImport(FoundationEssentials)
  public import FoundationEssentials
#else
  public import Foundation
#endif

extension TLSSource {
  /// The file of a `file:` URL, watched as one that is given by its path.
  public static func file(_ url: URL) -> TLSSource { .file(url.filePath) }
}

extension TLSRoots {
  /// The certificates of a `file:` URL's file and no others.
  public static func file(_ url: URL) -> TLSRoots { .file(url.filePath) }
}

extension URL {
  /// Without the escapes of a URL. Of another scheme nothing but the path is there to be opened, so that the error names it.
  fileprivate var filePath: String { isFileURL ? path(percentEncoded: false) : absoluteString }
}

extension Google_Rpc_Help.Link {
  /// A link to a page that helps.
  public init(_ description: String, _ url: URL) { self.init(description_p: description, url: url.absoluteString) }

  /// Where the link leads; nil when its text is no URL. It came from the peer: look at it before you open it.
  public var destination: URL? { URL(string: url) }
}
