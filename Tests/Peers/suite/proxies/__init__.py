"""The proxies by name; each has a file."""

from ..proxy import Proxy
from .envoy import Envoy
from .haproxy import HAProxy
from .nginx import Nginx
from .volery import VoleryProxy

PROXIES: dict[str, type[Proxy]] = {kind.name: kind for kind in (Nginx, HAProxy, Envoy, VoleryProxy)}
