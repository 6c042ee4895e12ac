#include <ares.h>
#include <ares_dns.h>
#include <ares_nameser.h>
