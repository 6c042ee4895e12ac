"""What grpcio-channelz's client reads of a program's channelz service, as a line of JSON.

  channelz.py TARGET dump SIZE      everything, in pages of SIZE
  channelz.py TARGET codes          how bad requests end: method, what was asked, code
  channelz.py TARGET socket ID      the code of GetSocket
"""

import json
import sys

import grpc
from grpc_channelz.v1 import channelz_pb2 as z
from grpc_channelz.v1 import channelz_pb2_grpc

TIMEOUT = 30


def pages(method, request, start, field, name):
    """All results by pages, and how many pages there were."""
    results, count = [], 0
    while True:
        answer = method(request, timeout=TIMEOUT)
        part = list(getattr(answer, field))
        assert len(part) <= request.max_results, "a page is larger than was asked for"
        assert part or answer.end, "a page without results is the last"
        results += part
        count += 1
        assert count < 10_000, "the pages have no end"
        if answer.end:
            return results, count
        setattr(request, start, name(part[-1]) + 1)


def data(d):
    return {
        "started": d.calls_started, "succeeded": d.calls_succeeded, "failed": d.calls_failed,
        "hasTime": d.HasField("last_call_started_timestamp"),
        "logged": d.trace.num_events_logged,
        "events": [
            {"text": e.description, "severity": z.ChannelTraceEvent.Severity.Name(e.severity),
             "child": e.subchannel_ref.subchannel_id} for e in d.trace.events],
    }


def address(a):
    kind = a.WhichOneof("address")
    if kind == "tcpip_address":
        return f"{'.'.join(str(byte) for byte in a.tcpip_address.ip_address)}:{a.tcpip_address.port}"
    return getattr(a, kind).filename if kind == "uds_address" else a.other_address.name if kind else ""


def socket(stub, ref):
    s = stub.GetSocket(z.GetSocketRequest(socket_id=ref.socket_id), timeout=TIMEOUT).socket
    d = s.data
    return {
        "id": s.ref.socket_id, "local": address(s.local), "remote": address(s.remote),
        "streams": [d.streams_started, d.streams_succeeded, d.streams_failed],
        "messages": [d.messages_sent, d.messages_received], "keepalives": d.keep_alives_sent,
        "times": [
            d.HasField("last_local_stream_created_timestamp"), d.HasField("last_remote_stream_created_timestamp"),
            d.HasField("last_message_sent_timestamp"), d.HasField("last_message_received_timestamp")],
        "windows": [d.local_flow_control_window.value, d.remote_flow_control_window.value],
        "maxStreams": d.peer_max_concurrent_streams,
        "cipher": s.security.tls.standard_name,
        "certificates": [len(s.security.tls.local_certificate), len(s.security.tls.remote_certificate)],
    }


def subchannel(stub, ref):
    s = stub.GetSubchannel(z.GetSubchannelRequest(subchannel_id=ref.subchannel_id), timeout=TIMEOUT).subchannel
    return {
        "id": s.ref.subchannel_id, "target": s.data.target, "data": data(s.data),
        "state": z.ChannelConnectivityState.State.Name(s.data.state.state),
        "sockets": [socket(stub, ref) for ref in s.socket_ref],
    }


def dump(stub, size):
    channels, channel_pages = pages(
        stub.GetTopChannels, z.GetTopChannelsRequest(max_results=size), "start_channel_id", "channel",
        lambda c: c.ref.channel_id)
    servers, server_pages = pages(
        stub.GetServers, z.GetServersRequest(max_results=size), "start_server_id", "server", lambda s: s.ref.server_id)
    result = {"channelPages": channel_pages, "serverPages": server_pages, "channels": [], "servers": []}
    for c in channels:
        same = stub.GetChannel(z.GetChannelRequest(channel_id=c.ref.channel_id), timeout=TIMEOUT).channel
        assert same.ref == c.ref
        result["channels"].append({
            "id": c.ref.channel_id, "target": c.data.target, "data": data(c.data),
            "state": z.ChannelConnectivityState.State.Name(c.data.state.state),
            "subchannels": [subchannel(stub, ref) for ref in c.subchannel_ref],
        })
    for s in servers:
        same = stub.GetServer(z.GetServerRequest(server_id=s.ref.server_id), timeout=TIMEOUT).server
        assert same.ref == s.ref
        request = z.GetServerSocketsRequest(server_id=s.ref.server_id, max_results=size)
        sockets, _ = pages(stub.GetServerSockets, request, "start_socket_id", "socket_ref", lambda ref: ref.socket_id)
        result["servers"].append({
            "id": s.ref.server_id, "data": data(s.data), "sockets": [socket(stub, ref) for ref in sockets],
            "listeners": [socket(stub, ref) for ref in s.listen_socket],
        })
    return result


def code(method, request):
    try:
        method(request, timeout=TIMEOUT)
        return "OK"
    except grpc.RpcError as error:
        return error.code().name


def codes(stub):
    huge = (1 << 63) - 1
    result = []
    for id in (0, -1, huge, -huge - 1, 999_999_999):
        for name, request in (
            ("GetChannel", z.GetChannelRequest(channel_id=id)),
            ("GetSubchannel", z.GetSubchannelRequest(subchannel_id=id)),
            ("GetSocket", z.GetSocketRequest(socket_id=id)),
            ("GetServer", z.GetServerRequest(server_id=id)),
            ("GetServerSockets", z.GetServerSocketsRequest(server_id=id)),
        ):
            result.append([name, str(id), code(getattr(stub, name), request)])
    for start in (-1, -huge - 1, huge):
        result.append(["start", str(start), code(stub.GetTopChannels, z.GetTopChannelsRequest(start_channel_id=start))])
        result.append(["start", str(start), code(stub.GetServers, z.GetServersRequest(start_server_id=start))])
    for size in (-1, -huge - 1, huge):
        result.append(["size", str(size), code(stub.GetTopChannels, z.GetTopChannelsRequest(max_results=size))])
        result.append(["size", str(size), code(stub.GetServers, z.GetServersRequest(max_results=size))])
    return result


with grpc.insecure_channel(sys.argv[1]) as channel:
    stub = channelz_pb2_grpc.ChannelzStub(channel)
    if sys.argv[2] == "dump":
        print(json.dumps(dump(stub, int(sys.argv[3]))))
    elif sys.argv[2] == "codes":
        print(json.dumps(codes(stub)))
    else:
        print(code(stub.GetSocket, z.GetSocketRequest(socket_id=int(sys.argv[3]))))
