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

// Memory that is given out piece by piece: what the callback of libprotobuf-c reads and writes, which is called for every
// string. `more` is asked for what is not simply the next piece (Arena.swift).
typedef struct volery_bump {
  uint8_t *next;
  uint8_t *end;
  // How many bytes may still be given out.
  intptr_t left;
  // Where the stack must not get to.
  uintptr_t stack_floor;
  void *(*more)(void *owner, size_t size);
  void *owner;
} volery_bump;

// In front of each block, its size; blocks lie at multiples of this.
#define VOLERY_BUMP_HEADER 16
// Blocks from this size on are for `more`.
#define VOLERY_BUMP_LARGE 4096

static inline void *volery_bump_allocate(void *context, size_t size) {
  volery_bump *bump = (volery_bump *)context;
  size_t total = (size + VOLERY_BUMP_HEADER + 15) & ~(size_t)15;
  bump->left -= (intptr_t)total;
  uint8_t *start = bump->next;
  if (__builtin_expect(bump->left < 0 || volery_stack_address() <= bump->stack_floor || total >= VOLERY_BUMP_LARGE ||
                           (size_t)(bump->end - start) < total, 0))
    return bump->more(bump->owner, size);
  bump->next = start + total;
  *(size_t *)start = size;
  return start + VOLERY_BUMP_HEADER;
}

static inline void volery_zero(void *memory, size_t size) { __builtin_memset(memory, 0, size); }

// A buffer for protobuf_c_message_pack_to_buffer whose callback knows whose it is: it gets a pointer to the first member.
typedef struct volery_buffer {
  ProtobufCBuffer base;
  void *owner;
} volery_buffer;
