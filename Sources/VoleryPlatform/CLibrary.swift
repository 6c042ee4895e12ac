// The C library of the platform, under one name: glibc and musl on Linux, Apple's on macOS. Where they differ is in this module,
// too, and nowhere else.
#if canImport(Glibc)
  @_exported public import Glibc
#elseif canImport(Musl)
  @_exported public import Musl
#else
  @_exported public import Darwin
#endif
