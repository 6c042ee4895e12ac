#!/usr/bin/env python3
"""A stand-in for the Kubernetes API server: EndpointSlices of discovery.k8s.io/v1, listed and watched, with its faults.

api_server.py FOLDER [--tls CERTIFICATE KEY [--client-ca FILE]] [--rights FILE]

The objects are made by the `kubernetes` package, so that their JSON is the real one. FOLDER/token holds the token that is
accepted. Prints its port, and that of its control (plain HTTP): GET /slice?..., /fault?..., see `Control`.
"""
import argparse
import datetime
import json
import socket
import ssl
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kubernetes import client

to_json = client.ApiClient().sanitize_for_serialization
API = "discovery.k8s.io/v1"


class Rights:
    """What RBAC allows: rules of Roles, each in a namespace. None: everything."""

    def __init__(self, file=None):
        self.rules = None
        if file:
            with open(file) as text:
                self.rules = json.load(text)

    def allow(self, verb, group, resource, namespace):
        return self.rules is None or any(
            rule["namespace"] == namespace and verb in rule["verbs"] and group in rule["apiGroups"]
            and resource in rule["resources"] for rule in self.rules)


class Store:
    """The slices, and all events since the last compaction."""

    def __init__(self):
        self.changed = threading.Condition()
        self.slices = {}
        self.version = 1000
        self.events = []
        self.compacted = 1000
        self.epoch = 0  # Grows when open streams have to end.
        self.ending = "whole"

    def put(self, name, slice_):
        with self.changed:
            self.version += 1
            kind = "MODIFIED" if name in self.slices else "ADDED"
            slice_.metadata.resource_version = str(self.version)
            self.slices[name] = slice_
            self.add(kind, to_json(slice_))

    def delete(self, name):
        with self.changed:
            self.version += 1
            slice_ = self.slices.pop(name)
            slice_.metadata.resource_version = str(self.version)
            self.add("DELETED", to_json(slice_))

    def add(self, kind, value):
        self.events.append((self.version, kind, value))
        self.changed.notify_all()

    def raw(self, line):
        """A line of the watch, whatever it is."""
        with self.changed:
            self.version += 1
            self.add(None, line)

    def bookmark(self):
        with self.changed:
            self.version += 1
            self.add("BOOKMARK", {
                "kind": "EndpointSlice", "apiVersion": API,
                "metadata": {"resourceVersion": str(self.version), "creationTimestamp": None},
                "endpoints": None, "ports": None, "addressType": ""})

    def end_streams(self, how):
        with self.changed:
            self.epoch += 1
            self.ending = how
            self.changed.notify_all()


class Faults:
    def __init__(self):
        self.status = None      # Every request is answered so.
        self.retry_after = None
        self.stalls = False     # No request is answered.
        self.slow = False       # Byte by byte.
        self.ends_early = False # Watches end as soon as they begin.
        self.forbids = set()    # Verbs.
        self.page = 0           # Slices of a page; 0: what the client wants.
        self.is_gone_by_status = False
        self.requests = []      # (verb, path, query)


store = Store()
faults = Faults()
rights = Rights()
options = None


def endpoint(address, index, query):
    def flag(name):
        value = query.get(name)
        return None if value is None or value == "nil" else value == "true"
    pod = query.get("pod", "orders")
    return client.V1Endpoint(
        addresses=[address],
        conditions=client.V1EndpointConditions(
            ready=flag("ready") if "ready" in query else True, serving=flag("serving"), terminating=flag("terminating")),
        hints=client.V1EndpointHints(
            for_zones=[client.V1ForZone(name=z) for z in query["hints"].split("+")]) if "hints" in query else None,
        node_name=f"node-{index % 3}", zone=query.get("zone"),
        target_ref=client.V1ObjectReference(
            kind="Pod", name=f"{pod}-{index}", namespace=query.get("namespace", "shop"), uid=f"uid-{pod}-{index}"))


def make_slice(query):
    """name, addresses (with + between them), port, port_name, family, first (index of the first pod); of each endpoint
    ready, serving, terminating, zone, hints; not_ready: addresses that are not ready."""
    addresses = [a for a in query.get("addresses", "").split("+") if a]
    not_ready = query.get("not_ready", "").split("+")
    first = int(query.get("first", 0))
    endpoints = []
    for index, address in enumerate(addresses):
        own = dict(query, ready="false") if address in not_ready else query
        endpoints.append(endpoint(address, first + index, own))
    ports = [client.DiscoveryV1EndpointPort(
        name=query.get("port_name", "grpc"), port=int(query["port"]), protocol="TCP", app_protocol=query.get("app"))]
    return client.V1EndpointSlice(
        api_version=API, kind="EndpointSlice", address_type=query.get("family", "IPv4"), endpoints=endpoints, ports=ports,
        metadata=client.V1ObjectMeta(
            name=query["name"], namespace=query.get("namespace", "shop"), generate_name="orders-", generation=1,
            uid=f"slice-{query['name']}", creation_timestamp=datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
            labels={"kubernetes.io/service-name": query.get("service", "orders"),
                    "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"},
            owner_references=[client.V1OwnerReference(
                api_version="v1", kind="Service", name="orders", uid="service-uid", controller=True,
                block_owner_deletion=True)]))


class API_Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def setup(self):
        self.request.settimeout(120)
        super().setup()

    def send_json(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if faults.retry_after is not None:
            self.send_header("Retry-After", str(faults.retry_after))
        self.end_headers()
        self.wfile.write(body)

    def send_status(self, code, reason, message):
        self.send_json(code, to_json(client.V1Status(
            api_version="v1", kind="Status", status="Failure", code=code, reason=reason, message=message)))

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = url.path.strip("/").split("/")
        verb = "watch" if query.get("watch") == "true" else "list"
        faults.requests.append((verb, url.path, query))
        if faults.stalls:
            time.sleep(60)
            return
        if not (options.client_ca and self.connection.getpeercert()):
            with open(f"{options.folder}/token") as file:
                if self.headers.get("Authorization") != f"Bearer {file.read().strip()}":
                    return self.send_status(401, "Unauthorized", "Unauthorized")
        if faults.status is not None:
            return self.send_status(faults.status, "Fault", "made by the test")
        if parts[:4] != ["apis", "discovery.k8s.io", "v1", "namespaces"] or parts[5:] != ["endpointslices"]:
            return self.send_status(404, "NotFound", "the server could not find the requested resource")
        namespace = parts[4]
        if verb in faults.forbids or not rights.allow(verb, parts[1], parts[5], namespace):
            return self.send_status(
                403, "Forbidden",
                'endpointslices.discovery.k8s.io is forbidden: User "system:serviceaccount:shop:default" cannot '
                f'{verb} resource "endpointslices" in API group "discovery.k8s.io" in the namespace "{namespace}"')
        key, _, service = query.get("labelSelector", "").partition("=")
        if key != "kubernetes.io/service-name":
            return self.send_status(400, "BadRequest", "the label selector is not what it should be")

        def matches(value):
            meta = value["metadata"]
            return meta["namespace"] == namespace and meta["labels"]["kubernetes.io/service-name"] == service
        if verb == "list":
            self.list(query, matches)
        else:
            self.watch(query, matches)

    def list(self, query, matches):
        limit = faults.page or int(query.get("limit", 0)) or 500
        start = int(query.get("continue", "0"))
        with store.changed:
            items = [v for v in (to_json(s) for s in store.slices.values()) if matches(v)]
            meta = {"resourceVersion": str(store.version)}
        if start + limit < len(items):
            meta["continue"] = str(start + limit)
            meta["remainingItemCount"] = len(items) - start - limit
        self.send_json(200, {
            "kind": "EndpointSliceList", "apiVersion": API, "metadata": meta, "items": items[start:start + limit]})

    def chunk(self, data):
        frame = b"%x\r\n%s\r\n" % (len(data), data)
        if faults.slow:
            for byte in frame:
                self.wfile.write(bytes([byte]))
        else:
            self.wfile.write(frame)

    def line(self, kind, value):
        self.chunk(json.dumps({"type": kind, "object": value}, separators=(",", ":")).encode() + b"\n")

    def watch(self, query, matches):
        version = int(query["resourceVersion"])
        end = time.monotonic() + float(query.get("timeoutSeconds", 3600))
        gone = version < store.compacted
        if gone and faults.is_gone_by_status:
            return self.send_status(410, "Expired", f"too old resource version: {version} ({store.compacted})")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if gone:
            self.line("ERROR", to_json(client.V1Status(
                api_version="v1", kind="Status", status="Failure", code=410, reason="Expired",
                message=f"too old resource version: {version} ({store.compacted})")))
            return self.chunk(b"")
        epoch = store.epoch
        while not faults.ends_early:
            with store.changed:
                news = [e for e in store.events if e[0] > version]
                if not news and store.epoch == epoch and time.monotonic() < end:
                    store.changed.wait(min(1, max(0.01, end - time.monotonic())))
                is_over = store.epoch != epoch
            for number, kind, value in news:
                version = number
                if kind is None:
                    self.chunk(value.encode())
                elif kind == "BOOKMARK":
                    if query.get("allowWatchBookmarks") == "true":
                        self.line(kind, value)
                elif matches(value):
                    self.line(kind, value)
            if is_over and store.ending == "gone":
                self.line("ERROR", to_json(client.V1Status(
                    api_version="v1", kind="Status", status="Failure", code=410, reason="Expired",
                    message="The resourceVersion for the provided watch is too old.")))
                break
            if is_over and store.ending == "cut":
                self.wfile.write(b"40\r\n{\"type\":\"MODIFIED\",\"obj")
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if is_over or time.monotonic() >= end:
                break
        self.chunk(b"")

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass


class TLSServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def finish_request(self, request, address):
        if options.tls:
            request.settimeout(20)
            try:
                request = options.context.wrap_socket(request, server_side=True)
            except OSError:
                return
        super().finish_request(request, address)

    def handle_error(self, *_):
        pass


class Control(BaseHTTPRequestHandler):
    server_ref = None

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        answer = getattr(self, url.path.strip("/"))(query)
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def slice(self, query):
        store.put(query["name"], make_slice(query))

    def delete(self, query):
        store.delete(query["name"])

    def bookmark(self, _):
        store.bookmark()

    def raw(self, query):
        store.raw(query["line"])

    def fault(self, query):
        for name, value in query.items():
            setattr(faults, name, json.loads(value) if name != "forbids" else set(value.split("+")) - {""})

    def end(self, query):
        """how: whole, cut, gone."""
        store.end_streams(query["how"])

    def compact(self, _):
        """What was is no more: watches from an older version get 410."""
        with store.changed:
            store.version += 1
            store.compacted = store.version
            store.events = []

    def quiet(self, query):
        """Changes a slice without an event: what a client misses that should list anew."""
        with store.changed:
            store.version += 1
            made = make_slice(query)
            made.metadata.resource_version = str(store.version)
            store.slices[query["name"]] = made

    def down(self, _):
        """No connection is taken any more, and those that there are end."""
        Control.servers.stop()

    def up(self, _):
        Control.servers.start()

    def requests(self, _):
        return [{"verb": verb, "path": path, **query} for verb, path, query in faults.requests]

    def forget(self, _):
        faults.requests.clear()


class Servers:
    def __init__(self):
        self.port = 0
        self.server = None

    def start(self):
        self.server = TLSServer(("127.0.0.1", self.port), API_Server)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        store.end_streams("cut")
        self.server.shutdown()
        self.server.server_close()


def main():
    global options, rights
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--client-ca")
    parser.add_argument("--rights", help="a file of rules as Roles have them, each with its namespace")
    options = parser.parse_args()
    rights = Rights(options.rights)
    if options.tls:
        options.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        options.context.load_cert_chain(*options.tls)
        options.context.set_alpn_protocols(["h2", "http/1.1"])
        if options.client_ca:
            options.context.load_verify_locations(options.client_ca)
            options.context.verify_mode = ssl.CERT_OPTIONAL
    Control.servers = Servers()
    Control.servers.start()
    control = ThreadingHTTPServer(("127.0.0.1", 0), Control)
    control.daemon_threads = True
    print(Control.servers.port, control.server_address[1], flush=True)
    control.serve_forever()


if __name__ == "__main__":
    main()
