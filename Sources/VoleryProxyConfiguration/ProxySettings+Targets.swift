import VoleryClient
import VoleryConfiguration
import VoleryLoadBalancing
import VoleryNameResolution
import VoleryPlatform
import VoleryProxy
import VoleryServer

extension ProxySettings {
  /// The name of the target that stands alone. No key of a file can be empty.
  static let ownName = ""

  /// `target`, `targets`, and what holds for all of them.
  mutating func readTargets(_ reader: inout SectionReader) async {
    var common = reader.options("channel", ChannelOptions.configurationKeys.map(\.name))
    readShortForms(&reader, &common)
    let ownPlace = reader.place(of: "targetTls").map { Located(value: "targetTls", place: $0) }
    let ownTLS = reader.tls("targetTls", towards: .servers)
    if let node = reader.node("target"), let target = targetName(node, "target", &reader) {
      var own = TargetSettings(target: target, tls: ownTLS, placeOfTLS: ownPlace)
      await finish(&own, common, &reader)
      targets[ProxySettings.ownName] = own
    }
    guard let node = reader.node("targets") else { return }
    guard case .section(let entries) = node.content else {
      return reader.fault(node.place, "targets", "this takes a section: a name and what it stands for")
    }
    for entry in entries {
      guard !entry.key.isEmpty, targets[entry.key] == nil, targets.count < 256 else {
        reader.fault(entry.place, "targets", "a target needs a name of its own, and there can be 256")
        continue
      }
      var target = await self.target(entry, &reader, common)
      if target.tls == nil { (target.tls, target.placeOfTLS) = (ownTLS, ownPlace) }
      if target.target.isEmpty { unreadable.insert(entry.key) } else { targets[entry.key] = target }
    }
  }

  /// The keys that older programs of this kind have: how often the name is looked up, how calls are shared out, and how long a
  /// connection may have nothing to do.
  private func readShortForms(_ reader: inout SectionReader, _ common: inout [OptionText]) {
    func add(_ name: String, _ key: String, _ text: String, _ place: SettingPlace) {
      if !common.contains(where: { $0.name == name }) {
        common.append(OptionText(name: name, key: key, text: text, place: place))
      }
    }
    for (key, name) in [("refreshRate", "refreshInterval"), ("idleTimeout", "idleTimeout")] {
      let place = reader.place(of: key) ?? reader.place
      if let time = reader.duration(key) { add(name, key, "\(time / .seconds(1))", place) }
    }
    if let balancer = reader.text("balancer") {
      add(
        "loadBalancingPolicy", "balancer", balancer.value == "none" ? "pick_first" : balancer.value, balancer.place)
    }
  }

  private mutating func target(
    _ entry: SettingNode.Entry, _ reader: inout SectionReader, _ common: [OptionText]
  ) async -> TargetSettings {
    let path = "targets.\(entry.key)"
    if case .text = entry.value.content {
      var target = TargetSettings(target: targetName(entry.value, path, &reader) ?? "")
      await finish(&target, common, &reader)
      return target
    }
    var part = SectionReader(entry.value, path: "\(path).")
    var target = TargetSettings(target: "")
    if let node = part.node("target") {
      target.target = targetName(node, "target", &part) ?? ""
    } else if part.faults.isEmpty {
      part.fault("there is no target")
    }
    target.placeOfTLS = part.place(of: "tls").map { Located(value: "\(path).tls", place: $0) }
    target.tls = part.tls("tls", towards: .servers)
    let own = part.options("channel", ChannelOptions.configurationKeys.map(\.name))
    await finish(&target, common.filter { text in !own.contains { $0.name == text.name } } + own, &part)
    reader.add(part.finish())
    return target
  }

  private func finish(_ target: inout TargetSettings, _ texts: [OptionText], _ reader: inout SectionReader) async {
    target.channelTexts = Dictionary(texts.map { ($0.name, $0.text) }) { first, _ in first }
    var defaults = ChannelOptions.ofProxy
    defaults.resolvers = resolvers
    target.channel = await reader.made(of: texts, defaults) { try await $0.configure(from: $1) }
    let policies = target.channel.loadBalancingPolicies
    if policies[target.channel.loadBalancingPolicy] == nil,
      let text = texts.first(where: { $0.name == "loadBalancingPolicy" })
    {
      reader.fault(
        text.place, text.key,
        "there is no policy \"\(text.text)\"; known are: \(policies.names.joined(separator: ", "))")
    }
  }

  /// Nil, and a fault, where no channel could have it, or it leads to the proxy itself.
  private func targetName(_ node: SettingNode, _ key: String, _ reader: inout SectionReader) -> String? {
    var text: String
    switch node.content {
    case .text(let name): text = name
    case .section:
      var part = SectionReader(node, path: "\(reader.path)\(key).")
      let host = part.text("host")?.value
      let port = part.number("port", in: 1...65535)
      if host == nil || port == nil, part.faults.isEmpty { part.fault("there have to be a host and a port") }
      let faults = part.finish()
      reader.add(faults)
      guard let host, let port, faults.isEmpty else { return nil }
      text = "dns:///\(AddressLiteral.text(host: host, port: port))"
    case .list, .nothing:
      reader.fault(node.place, key, "this takes a target: dns:///orders:50051, or host and port")
      return nil
    }
    do throws(TargetError) {
      let parsed = try Target(parsing: text, knownSchemes: resolvers.schemes)
      guard parsed.scheme != "in-process" else {
        throw TargetError("a proxy's servers have sockets, and \(parsed) has none")
      }
      if let address = OwnAddresses(listen).address(reachedBy: parsed) {
        throw TargetError("\(parsed) is this proxy itself, which listens on \(address): a loop")
      }
      do { _ = try resolvers[parsed.scheme]?.makeResolver(for: parsed) } catch { throw TargetError("\(error)") }
      return text
    } catch {
      reader.fault(node.place, key, error.description)
      return nil
    }
  }
}
