// Counts allocations, thread by thread: put in front of the C library's with LD_PRELOAD, so that runs that measure time
// do without it. The benchmark finds the two counters by name.
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static __thread uint64_t count, bytes;

uint64_t volery_allocation_count(void) { return count; }
uint64_t volery_allocation_bytes(void) { return bytes; }

static void counted(size_t size) {
  count += 1;
  bytes += size;
}

void *malloc(size_t size) {
  counted(size);
  return __libc_malloc(size);
}

void *calloc(size_t number, size_t size) {
  counted(number * size);
  return __libc_calloc(number, size);
}

// A block that grows counts again: it may have moved.
void *realloc(void *old, size_t size) {
  counted(size);
  return __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size) {
  counted(size);
  return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **out, size_t alignment, size_t size) {
  void *block = memalign(alignment, size);
  if (block == NULL) return ENOMEM;
  *out = block;
  return 0;
}
