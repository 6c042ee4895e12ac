"""grpcio-health-checking's client: health_watch.py TARGET SERVICE. Prints each status that Watch tells, and its code at the end."""

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

Status = health_pb2.HealthCheckResponse.ServingStatus


def main():
    target, service = sys.argv[1:]
    stub = health_pb2_grpc.HealthStub(grpc.insecure_channel(target))
    call = stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=60)
    try:
        for response in call:
            print(Status.Name(response.status), flush=True)
    except grpc.RpcError:
        pass
    print(call.code().name, flush=True)


if __name__ == "__main__":
    main()
