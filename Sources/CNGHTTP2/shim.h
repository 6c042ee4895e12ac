#include <nghttp2/nghttp2.h>
#include <stddef.h>
#include <stdint.h>

// Options that only later versions have, and that distributions have patched into earlier ones, so that a version says
// nothing of them: they are looked for when the program is loaded.
extern void nghttp2_option_set_stream_reset_rate_limit(nghttp2_option *option, uint64_t burst, uint64_t rate)
    __attribute__((weak));
extern void nghttp2_option_set_glitch_rate_limit(nghttp2_option *option, uint64_t burst, uint64_t rate)
    __attribute__((weak));
extern void nghttp2_option_set_max_continuations(nghttp2_option *option, size_t val) __attribute__((weak));

// No limit of the library's own on streams that its peer resets, or makes it reset.
static inline void volery_option_set_no_reset_limits(nghttp2_option *option) {
  if (nghttp2_option_set_stream_reset_rate_limit) {
    nghttp2_option_set_stream_reset_rate_limit(option, UINT64_MAX, UINT64_MAX);
  }
  if (nghttp2_option_set_glitch_rate_limit) {
    nghttp2_option_set_glitch_rate_limit(option, UINT64_MAX, UINT64_MAX);
  }
}

// How many CONTINUATION frames may follow a HEADERS frame; where the library has no limit, there is none.
static inline void volery_option_set_max_continuations(nghttp2_option *option, size_t count) {
  if (nghttp2_option_set_max_continuations) { nghttp2_option_set_max_continuations(option, count); }
}
