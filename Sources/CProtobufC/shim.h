#include <protobuf-c/protobuf-c.h>
#include <pthread.h>
#include <stdint.h>

#ifdef __linux__
// glibc and musl have it, but hide it without _GNU_SOURCE, which must not be set in a header that others import.
extern int pthread_getattr_np(pthread_t, pthread_attr_t *);
#endif

// Where the stack of the calling thread has got to.
static inline uintptr_t volery_stack_address(void) { return (uintptr_t)__builtin_frame_address(0); }

// Where the calling thread keeps its arena: many times faster to reach than a pthread key's value.
static inline void **volery_arena_slot(void) {
  static __thread void *slot;
  return &slot;
}

static inline void volery_zero(void *memory, size_t size) { __builtin_memset(memory, 0, size); }

// A buffer for protobuf_c_message_pack_to_buffer whose callback knows whose it is: it gets a pointer to the first member.
typedef struct volery_buffer {
  ProtobufCBuffer base;
  void *owner;
} volery_buffer;
