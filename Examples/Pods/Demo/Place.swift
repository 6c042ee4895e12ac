/// Where a process of the demo listens: each has an address of its own, as a pod has.
struct Place: Hashable, Comparable {
  enum Kind: Int, CaseIterable {
    case pod, proxy, clusterIP, front

    /// The DNS name that leads to all of the kind.
    var name: String { self == .proxy ? "proxies.test" : "pods.test" }
    var port: Int { self == .proxy ? 8080 : 50051 }
  }

  let kind: Kind
  let number: Int

  static func pod(_ number: Int) -> Place { Place(kind: .pod, number: number) }
  static func proxy(_ number: Int) -> Place { Place(kind: .proxy, number: number) }
  static let clusterIP = Place(kind: .clusterIP, number: 1)
  /// Listens on a socket in the demo's folder, which browsers reach from outside of its network.
  static let front = Place(kind: .front, number: 1)

  var host: String { "127.0.\(kind.rawValue + 1).\(number)" }
  var address: String { "\(host):\(kind.port)" }

  static func < (left: Place, right: Place) -> Bool {
    (left.kind.rawValue, left.number) < (right.kind.rawValue, right.number)
  }
}

extension Place: CustomStringConvertible {
  var description: String {
    switch kind {
    case .pod: "pod-\(number)"
    case .proxy: "proxy-\(number)"
    case .clusterIP: "the one address"
    case .front: "the front"
    }
  }
}
