#include <uv.h>
// malloc_trim, which Swift's Glibc does not have.
#ifdef __GLIBC__
#include <malloc.h>
#endif
