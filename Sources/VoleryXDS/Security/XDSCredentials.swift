public import VoleryClient

extension ChannelCredentials {
  /// As the control plane says for each cluster (gRFC A29): with certificates of the bootstrap's `certificate_providers`, which must
  /// be of the plugin `file_watcher`. For `xds:` targets.
  ///
  /// - Parameter fallback: For clusters of which the control plane says nothing, and for other targets.
  public static func xds(fallback: ChannelCredentials) -> ChannelCredentials {
    var credentials = fallback
    credentials.takesEndpointCredentials = true
    return credentials
  }
}
