import ArgumentParser

/// What each demo is told by demo.sh, and how much it calls.
struct StageOptions: ParsableArguments {
  @Option(help: "The folder with the hosts file of the DNS server.") var folder: String
  @Option(help: "The DNS server's process, which reads the file again on SIGHUP.") var dnsPID: Int32
  @Option(help: "The pod program.") var pod: String
  @Option(help: "The proxy program.") var proxy: String
  @Option(help: "The program that is one address in front of the pods.") var clusterIP: String
  @Option(help: "The program of Examples/Front, HTTP in front of the pods: one more client, with a page. None.")
  var front: String?
  @Option(help: "Calls per second.") var rate = 500
  @Option(help: "Calls over which the shares are judged.") var calls = 5000
}
