// `import Volery` is all that a user writes.
@_exported public import VoleryClient
@_exported public import VoleryDNS
@_exported public import VoleryFileResolver
@_exported public import VoleryLoadBalancing
@_exported public import VoleryNameResolution
@_exported public import VoleryObservation
@_exported public import VoleryProtobuf
@_exported public import VoleryServer
@_exported public import VoleryServices
@_exported public import VoleryTLSSession
@_exported public import VoleryTypes
@_exported public import VoleryWellKnownTypes
