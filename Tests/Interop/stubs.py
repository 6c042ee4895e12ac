"""Makes grpcio's code of Protos/grpc/testing in a temporary folder and imports it."""

import importlib
import pathlib
import sys
import tempfile

from grpc_tools import protoc

PROTOS = pathlib.Path(__file__).resolve().parents[2] / "Protos"


ORCA = ("xds/data/orca/v3/orca_load_report.proto", "xds/service/orca/v3/orca.proto")


def load_orca():
    """The messages of load reports and of the service that sends them by themselves (grpcio has neither)."""
    out = tempfile.mkdtemp(prefix="volery-stubs-")
    # protoc's own google/protobuf/duration.proto: grpcio's Python has its module already.
    sources = pathlib.Path(out) / "protos"
    for name in ORCA:
        copy = sources / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text((PROTOS / name).read_text())
    wellknown = pathlib.Path(importlib.import_module("grpc_tools").__file__).parent / "_proto"
    if protoc.main(["protoc", f"-I{sources}", f"-I{wellknown}", f"--python_out={out}", *ORCA]) != 0:
        raise SystemExit("protoc failed")
    sys.path.insert(0, out)
    return tuple(importlib.import_module(name.replace(".proto", "_pb2").replace("/", ".")) for name in ORCA)


def load():
    out = tempfile.mkdtemp(prefix="volery-stubs-")
    files = [f"grpc/testing/{name}.proto" for name in ("empty", "load_balancer_stats", "messages", "test")]
    # grpcio itself is the package "grpc": the copies go to a package of another name.
    sources = pathlib.Path(out) / "protos"
    for name in files:
        copy = sources / name.replace("grpc/testing", "interop")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text((PROTOS / name).read_text().replace('import "grpc/testing/', 'import "interop/'))
    targets = [name.replace("grpc/testing", "interop") for name in files]
    code = protoc.main(["protoc", f"-I{sources}", f"--python_out={out}", f"--grpc_python_out={out}", *targets])
    if code != 0:
        raise SystemExit("protoc failed")
    sys.path.insert(0, out)
    # Of no message, but reflection tells of it.
    importlib.import_module("interop.test_pb2")
    return tuple(importlib.import_module(f"interop.{name}") for name in ("empty_pb2", "messages_pb2", "test_pb2_grpc"))
