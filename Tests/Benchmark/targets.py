"""The targets of the call path, as ratios of medians of one run: what is asked of which row, against whom."""

OURS, CPP, SWIFT, FLOOR = "Volery", "gRPC C++", "grpc-swift-2", "nghttpd"
CALLBACK, QUEUE = "gRPC C++ callback", "gRPC C++ queue"
ENVOY, NGINX, HAPROXY, DIRECT = "Envoy", "nginx", "HAProxy", "no proxy"


class Target:
    """Ours divided by the best of `against` is at most `most`, or at least `least`; without `against` it is the figure itself that
    is. `what` names another figure than the row's value."""

    def __init__(self, title, row, against, most=None, least=None, what="value"):
        self.title, self.row, self.against, self.most, self.least, self.what = title, row, against, most, least, what

    @property
    def bar(self):
        return f"≤ {self.most:,}" if self.most is not None else f"≥ {self.least:,}"

    def judge(self, row):
        """The ratio, and whether it holds; nothing where one of the two was not measured."""
        ours = row.median(OURS, self.what)
        if not self.against:
            return None if ours is None else (ours, ours <= self.most if self.most is not None else ours >= self.least)
        theirs = [value for value in (row.median(one, self.what) for one in self.against) if value]
        if ours is None or not theirs:
            return None
        ratio = ours / (max(theirs) if self.least is not None else min(theirs))
        return ratio, ratio <= self.most if self.most is not None else ratio >= self.least


UNARY = "server CPU per unary call, 8×32, 16 B"
CLIENT = "client CPU per unary call, 64 in flight"
PROXY = "CPU of the proxy per unary call, 8×32, 16 B"
PROXIES = [ENVOY, NGINX, HAPROXY]
TARGETS = [
    Target(UNARY, "unary 16 8x32", [FLOOR], most=1.4),
    Target(UNARY, "unary 16 8x32", [CPP], most=0.20),
    Target(UNARY, "unary 16 8x32", [SWIFT], most=0.05),
    Target("instructions of a server per unary call, 8×32, 16 B", "instructions server", [], most=20_000),
    Target(CLIENT, "client 64 1", [CALLBACK, QUEUE], most=0.33),
    Target(CLIENT, "client 64 1", [SWIFT], most=0.048),
    Target("instructions of a client per unary call, 64 in flight", "instructions client", [], most=26_000),
    Target("p99 latency, 64×100, 16 B", "unary 16 64x100", [FLOOR], most=1.6, what="p99"),
    Target("p99 latency, 8×32, 16 B", "unary 16 8x32", [FLOOR], most=1.6, what="p99"),
    Target("p99 latency, one call at a time", "unary 16 1x1", [CPP], most=1.0, what="p99"),
    Target("server CPU per unary call, one at a time, 16 B", "unary 16 1x1", [CPP], most=0.50),
    Target("streamed 1 KiB messages per CPU second of the server", "stream 1024", [CPP], least=2),
    Target("1 MiB streamed, MB/s per CPU second of the server", "large stream plain", [CPP], least=1.8),
    Target("1 MiB streamed over TLS, the same", "large stream tls", [CPP], least=1.8),
    Target("1 MiB echoed, the same", "large echo plain", [CPP], least=2.5),
    Target("1 MiB echoed over TLS, the same", "large echo tls", [CPP], least=2.5),
    Target(PROXY, "proxy 16 8x32", [ENVOY], most=0.5),
    Target(PROXY, "proxy 16 8x32", [NGINX, HAPROXY], most=1.0),
    # At least 60 % of the calls that a server answers with the same core.
    Target(PROXY, "proxy 16 8x32", [DIRECT], most=1.67),
    Target("what the proxy adds to a call's time, p50, one at a time", "proxy added p50", PROXIES, most=1.0),
    Target("what the proxy adds to a call's time, p99, one at a time", "proxy added p99", PROXIES, most=1.0),
    Target("memory of an idle connection, 1,000 open, kB", "idle connection", [CPP], most=0.6),
    Target("memory of an idle TLS connection, 1,000 open, kB", "idle TLS connection", [CPP], most=0.8),
    Target("clean release build of HelloWorld", "build time", [SWIFT], most=0.35),
]
