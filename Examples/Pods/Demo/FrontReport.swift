/// What Examples/Front says of its calls: as much of it as the verdict needs.
struct FrontReport: Decodable {
  struct Pod: Decodable {
    let name: String
    let calls: Int
  }

  struct Failure: Decodable {
    let code: String
    let calls: Int
    let message: String
  }

  let pods: [Pod]
  let failures: [Failure]
}
