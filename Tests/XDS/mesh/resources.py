"""Resources as protobuf's JSON has them, such that both kinds of clients can use them: with a proxy and without."""

import json
from typing import Any

TYPES = "type.googleapis.com/envoy.extensions"
# The listener of clients without a proxy; Envoy has another, since it takes none without an address.
API_LISTENER = "orders"
THIS = {"ads": {}, "resource_api_version": "V3"}
ROUTER = {"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}}
HTTP2 = {
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": f"{TYPES}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}
Resource = dict[str, Any]


def bootstrap(node: str, port: int) -> str:
    server = {
        "server_uri": f"127.0.0.1:{port}",
        "channel_creds": [{"type": "insecure"}],
        "server_features": ["xds_v3"],
    }
    return json.dumps({"xds_servers": [server], "node": {"id": node, "cluster": "test", "metadata": {"team": "orders"}}})


def envoy(port: int, admin: int) -> Resource:
    endpoint = {"endpoint": {"address": address(port)}}
    control = {
        "name": "control",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": HTTP2,
        "load_assignment": {"cluster_name": "control", "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
    ads = {
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": "control"}}],
    }
    return {
        "node": {"id": "envoy", "cluster": "test"},
        "admin": {"address": address(admin)},
        "static_resources": {"clusters": [control]},
        "dynamic_resources": {"ads_config": ads, "cds_config": THIS, "lds_config": THIS},
    }


def address(port: int, host: str = "127.0.0.1") -> Resource:
    return {"socket_address": {"address": host, "port_value": port}}


def manager(extra: Resource | None = None, filters: list[Resource] | None = None) -> Resource:
    return {
        "@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "rds": {"config_source": THIS, "route_config_name": "r"},
        "http_filters": [*(filters or []), ROUTER],
        **(extra or {}),
    }


def listeners(port: int, extra: Resource | None = None, filters: list[Resource] | None = None) -> list[Resource]:
    """That of clients without a proxy, and Envoy's, on `port`, with the same connection manager."""
    same = manager(extra, filters)
    chain = {"filters": [{"name": "http", "typed_config": same | {"codec_type": "HTTP2"}}]}
    return [
        {"name": API_LISTENER, "api_listener": {"api_listener": same}},
        {"name": "envoy", "address": address(port), "filter_chains": [chain]},
    ]


def routes(*those: Resource, host: Resource | None = None) -> Resource:
    all_hosts = {"name": "all", "domains": ["*"], "routes": list(those), **(host or {})}
    return {"name": "r", "virtual_hosts": [all_hosts]}


def to(cluster: str, match: Resource | None = None, **action: Any) -> Resource:
    return {"match": match or {"prefix": ""}, "route": {"cluster": cluster} | action}


def split(**weights: int) -> Resource:
    clusters = [{"name": name, "weight": weight} for name, weight in weights.items()]
    return {"match": {"prefix": ""}, "route": {"weighted_clusters": {"clusters": clusters}}}


def cluster(name: str, **extra: Any) -> Resource:
    return {
        "name": name,
        "type": "EDS",
        "connect_timeout": "1s",
        "eds_cluster_config": {"eds_config": THIS},
        # Without it Envoy passes the weights of localities over.
        "common_lb_config": {"locality_weighted_lb_config": {}, "healthy_panic_threshold": {"value": 0}},
        "typed_extension_protocol_options": HTTP2,
    } | extra


def aggregate(name: str, *members: str, policy: str = "ROUND_ROBIN") -> Resource:
    """Envoy wants `CLUSTER_PROVIDED` for its policy; gRPC knows that not."""
    config = {"@type": f"{TYPES}.clusters.aggregate.v3.ClusterConfig", "clusters": list(members)}
    return {
        "name": name,
        "connect_timeout": "1s",
        "lb_policy": policy,
        "cluster_type": {"name": "envoy.clusters.aggregate", "typed_config": config},
    }


def endpoint(port: int, host: str = "127.0.0.1", **extra: Any) -> Resource:
    return {"endpoint": {"address": address(port, host)}} | extra


def sessions(name: str = "where", state: str = "cookie.v3.CookieBasedSessionState", **cookie: Any) -> Resource:
    """The HTTP filter of gRFC A55."""
    config = {"@type": f"{TYPES}.http.stateful_session.{state}", "cookie": {"name": name, "path": "/"} | cookie}
    return {
        "name": "sessions",
        "typed_config": {
            "@type": f"{TYPES}.filters.http.stateful_session.v3.StatefulSession",
            "session_state": {"name": "envoy.http.stateful_session.cookie", "typed_config": config},
        },
    }


def locality(zone: str, those: list[Resource], weight: int = 1, priority: int = 0) -> Resource:
    return {
        "locality": {"region": "r", "zone": zone},
        "priority": priority,
        "load_balancing_weight": weight,
        "lb_endpoints": those,
    }


def endpoints(name: str, *localities: Resource, **policy: Any) -> Resource:
    return {"cluster_name": name, "endpoints": list(localities), "policy": policy}
