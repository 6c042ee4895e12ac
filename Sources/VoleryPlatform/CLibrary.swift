// The C library of the platform, under one name: glibc and musl on Linux, Apple's on macOS. Where they differ is in this module,
// too, and nowhere else, but for what only glibc's malloc has: FreedMemory and HeapThreshold do nothing elsewhere.
//
// The aim is a build with the static Linux SDK (musl). What musl lacks or has otherwise, and where it is seen to:
// - enumerations for SOCK_STREAM and its kin (SocketCalls), a number for pthread_t (ThreadCalls), the names of sigaction's
//   members (SignalCalls);
// - malloc_trim, and a malloc that learns thresholds: behind canImport(Glibc) in VoleryEventLoops;
// - a declaration of pthread_getattr_np without _GNU_SOURCE: CProtobufC's shim has one.
// Nothing else of the sources is glibc's alone. Not tried so far: the SDK, and the C libraries (nghttp2, OpenSSL, libuv, c-ares,
// zlib, protobuf-c) built for musl, which `swift build` needs from outside.
#if canImport(Glibc)
  @_exported public import Glibc
#elseif canImport(Musl)
  @_exported public import Musl
#else
  @_exported public import Darwin
#endif
