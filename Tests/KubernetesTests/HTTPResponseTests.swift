import Testing
import VoleryKubernetes

@Suite("A response of HTTP/1.1") struct HTTPResponseTests {
  /// What a response in pieces of so many bytes is, as texts; a failure is the last.
  private func read(_ text: String, by size: Int, ends: Bool = true) -> [String] {
    var parser = HTTPResponseParser()
    var told: [String] = []
    var body: [UInt8] = []
    func tell(_ event: HTTPResponseParser.Event) {
      switch event {
      case .head(let head): told.append("\(head.status)")
      case .body(let bytes): body += bytes
      case .end: told += [String(decoding: body, as: UTF8.self), "end"]
      }
    }
    let bytes = Array(text.utf8)
    do throws(KubernetesFailure) {
      for start in stride(from: 0, to: bytes.count, by: size) {
        let piece = Array(bytes[start..<min(start + size, bytes.count)])
        var failure: KubernetesFailure?
        piece.withUnsafeBytes {
          do throws(KubernetesFailure) { try parser.feed($0, tell) } catch { failure = error }
        }
        if let failure { throw failure }
      }
      if ends { try parser.end(tell) }
    } catch {
      told.append("\(error.kind)")
    }
    return told
  }

  @Test(
    "is the same in pieces of any size",
    arguments: [
      ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", ["200", "hello", "end"]),
      (
        "HTTP/1.1 200\r\n transfer-encoding: x\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: 1\r\n\r\n",
        ["200", "hello", "end"]
      ),
      ("HTTP/1.0 200 OK\n\nuntil the end", ["200", "until the end", "end"]),
      ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\nleft over", ["204", "", "end"]),
      ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", ["200", "cut"]),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", ["200", "cut"]),
      ("", ["cut"]), ("HTT", ["cut"]),
      ("SSH-2.0-x\r\n", ["malformed"]), ("HTTP/1.1 999 ?\r\n", ["malformed"]), ("HTTP/2 200\r\n", ["malformed"]),
      ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", ["200", "malformed"]),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", ["200", "malformed"]),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFF\r\n", ["200", "malformed"]),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n", ["200", "malformed"]),
      ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n+2\r\nhe", ["200", "malformed"]),
    ]) func pieces(_ text: String, _ expected: [String])
  {
    for size in [1, 2, 3, 7, 4096] { #expect(read(text, by: size) == expected) }
  }

  @Test("a head without an end is refused") func bounded() {
    let long = "HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 20 << 10)
    #expect(read(long, by: 1000, ends: false) == ["malformed"])
    let many = "HTTP/1.1 200 OK\r\n" + String(repeating: "x: y\r\n", count: 20_000)
    #expect(read(many, by: 1000, ends: false) == ["malformed"])
  }

  @Test("lines are cut out of what comes, and are bounded") func lines() throws {
    var lines = LineSplitter(limit: 10)
    #expect(try lines.feed(Array("{1}\n{2".utf8)) == [Array("{1}".utf8)])
    #expect(lines.isInLine)
    #expect(try lines.feed(Array("}\r\n\n\r\n{3}\n".utf8)) == [Array("{2}\r".utf8), Array("{3}".utf8)])
    #expect(!lines.isInLine)
    #expect(throws: KubernetesFailure.self) { try lines.feed([UInt8](repeating: 0x78, count: 11)) }
  }

  @Test(
    "a line of a watch that is none is an error, and never the end of the process",
    arguments: [
      "", "x", "7", "[]", "{}", #"{"type":"ADDED"}"#, #"{"type":"ADDED","object":7}"#, #"{"type":"ADDED","object":{}}"#,
      #"{"type":"SPLIT","object":{"metadata":{"name":"a","resourceVersion":"1"}}}"#,
      #"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#, #"{"type":7,"object":{}}"#,
      "a hundred thousand brackets",
    ]) func badLines(_ text: String)
  {
    let line = text == "a hundred thousand brackets" ? String(repeating: "[", count: 100_000) : text
    #expect(throws: KubernetesFailure.self) { try WatchEvent(json: Array(line.utf8)) }
    #expect(throws: KubernetesFailure.self) { try SlicePage(json: Array(line.utf8)) }
  }

  @Test("what an ERROR says is escaped and cut, and 410 is told from the rest") func errors() throws {
    let gone = try WatchEvent(json: Array(#"{"type":"ERROR","object":{"code":410,"message":"too old"}}"#.utf8))
    guard case .failed(let failure) = gone else { throw KubernetesFailure(.refused, "\(gone)") }
    #expect(failure.kind == .gone)
    let long = String(repeating: "y", count: 5000)
    let forged = try WatchEvent(json: Array(#"{"type":"ERROR","object":{"code":500,"message":"a\nb\#(long)"}}"#.utf8))
    guard case .failed(let failure) = forged else { throw KubernetesFailure(.refused, "\(forged)") }
    #expect(failure.kind == .overloaded && failure.text.contains(#"a\nb"#) && failure.text.utf8.count < 600)
  }
}
