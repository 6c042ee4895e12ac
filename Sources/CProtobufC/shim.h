#include <protobuf-c/protobuf-c.h>
#include <pthread.h>

#ifdef __linux__
// glibc and musl have it, but hide it without _GNU_SOURCE, which must not be set in a header that others import.
extern int pthread_getattr_np(pthread_t, pthread_attr_t *);
#endif
