import Testing
import VoleryKubernetes
import VoleryNameResolution

@Suite("A k8s target") struct ServiceAddressTests {
  private func address(_ target: String) throws -> ServiceAddress {
    try ServiceAddress(Target(parsing: target, knownSchemes: ["k8s"]))
  }

  struct Form: Sendable {
    var target: String
    var namespace: String?
    var port: ServicePort
    var authority: String
    var dns: String
  }

  @Test(
    "its forms",
    arguments: [
      Form(
        target: "k8s:///orders", namespace: nil, port: .only, authority: "orders",
        dns: "dns+srv:///_grpc._tcp.orders.home.svc"),
      Form(
        target: "k8s:orders.shop:50051", namespace: "shop", port: .number(50051), authority: "orders.shop:50051",
        dns: "dns:///orders.shop.svc:50051"),
      Form(
        target: "k8s:///orders.shop.svc:grpc", namespace: "shop", port: .named("grpc"), authority: "orders.shop.svc",
        dns: "dns+srv:///_grpc._tcp.orders.shop.svc"),
      Form(
        target: "k8s:///orders.shop.svc.cluster.local.:http2", namespace: "shop", port: .named("http2"),
        authority: "orders.shop.svc.cluster.local", dns: "dns+srv:///_http2._tcp.orders.shop.svc"),
    ]) func forms(_ form: Form) throws
  {
    let address = try address(form.target)
    #expect(address.service == "orders")
    #expect(address.namespace == form.namespace)
    #expect(address.port == form.port)
    #expect(address.authority == form.authority)
    #expect("\(address.dnsTarget(namespace: "home"))" == form.dns)
  }

  @Test(
    "what can never work is said at once, and what to write instead",
    arguments: [
      ("k8s://orders.shop:50051/", "names nothing"), ("k8s://api/orders", "three slashes"),
      ("k8s:///orders:", "neither a port's number nor its name"), ("k8s:///orders:0", "1 to 65535"),
      ("k8s:///orders:70000", "1 to 65535"), ("k8s:///orders:an_odd_name", "neither"),
      ("k8s:///orders:a-name-that-is-too-long", "at most 15"), ("k8s:///Orders", "no name of Kubernetes"),
      ("k8s:///orders..shop", "no name"), ("k8s:///-orders", "no name"),
      ("k8s:///orders.shop.pod", "SERVICE.NAMESPACE.svc"),
      ("k8s:///orders%0d%0aHost:x", "no name"), ("k8s:///orders:x%0d%0a", "neither"), ("k8s:///orders?x=1", "query"),
    ]) func bad(_ target: String, _ text: String)
  {
    let error = #expect(throws: TargetError.self) { try address(target) }
    #expect(error?.description.contains(text) == true, "\(error?.description ?? "")")
  }
}
