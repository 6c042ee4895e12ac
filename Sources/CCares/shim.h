// The functions that c-ares 1.18 (Debian 12, Ubuntu 22.04) and later versions both have; from 1.28 on it calls some of
// them deprecated.
#define CARES_NO_DEPRECATED
#include <ares.h>
