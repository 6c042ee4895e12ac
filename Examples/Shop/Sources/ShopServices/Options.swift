import Logging
import ShopAPI
import Volery
import VoleryInterceptors
import VoleryMetrics

/// One for the process; does nothing until the program bootstraps a backend of swift-metrics.
private let metrics = MetricsObserver()

extension ServerOptions {
  /// What each of the shop's servers has.
  package static func shop(_ customers: Customers, logger: Logger) -> ServerOptions {
    var options = ServerOptions()
    options.logger = logger
    options.observers = [metrics]
    options.interceptors = [
      RequestID(),
      AccessLog(logger).only { $0.service != HealthMethods.serviceName },
      ErrorMapping(),
      DefaultDeadline(.seconds(10)).only { $0 != InventoryMethods.watchStock.descriptor },
      Authentication { request in
        try customers.customer(withToken: request.bearerToken)
      }.only { $0.service != HealthMethods.serviceName },
    ]
    return options
  }
}

extension ChannelOptions {
  /// What the shop's servers call each other with: the id of the call that they answer goes along, an attempt that found no
  /// server is made again, and nothing takes longer than 2 seconds.
  package static var shop: ChannelOptions {
    var options = ChannelOptions()
    options.observers = [metrics]
    options.interceptors = [RequestID()]
    options.serviceConfig[.service(InventoryMethods.serviceName)] = MethodConfig(
      timeout: .seconds(2), retryPolicy: RetryPolicy(maxAttempts: 3, retryableCodes: [.unavailable]))
    options.serviceConfig[.method(InventoryMethods.watchStock.descriptor)] = MethodConfig()
    return options
  }
}
