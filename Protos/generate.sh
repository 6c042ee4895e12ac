#!/usr/bin/env bash
# Writes all generated Swift that is committed: generate.sh PLUGIN ROOT. The tests run it into a temporary folder and compare.
set -euo pipefail
plugin=$(realpath "$1") root=$(realpath "$2")
here=$(cd "$(dirname "$0")/.." && pwd)
# Editions need a newer protoc than Debian's: that of the Python environment. It has a descriptor.proto of its own, too.
environment=$(dirname "$(dirname "$("$here/Tests/Interop/environment.sh")")")
# folder with the .proto files | files | where the Swift goes | options
while IFS='|' read -r include files out options; do
  mkdir -p "$root/$out"
  protoc=protoc
  case $files in *edition* | */descriptor.proto) protoc=$environment/bin/protoc ;; esac
  case $include in ENVIRONMENT) folder=$environment/include ;; *) folder=$here/$include ;; esac
  (cd "$folder" && "$protoc" -I . --plugin=protoc-gen-volery="$plugin" --volery_out="$root/$out" \
    ${options:+--volery_opt="$options"} $files)
done <<'END'
Protos|google/protobuf/any.proto google/protobuf/duration.proto google/protobuf/empty.proto google/protobuf/field_mask.proto google/protobuf/struct.proto google/protobuf/timestamp.proto google/protobuf/wrappers.proto google/rpc/code.proto google/rpc/error_details.proto google/rpc/status.proto|Sources/VoleryWellKnownTypes/Generated|FileNaming=PathToUnderscores,Visibility=public,Module=VoleryProtobuf,ModuleMappings=well-known-types.txt
ENVIRONMENT|google/protobuf/descriptor.proto|Sources/VoleryProtobuf/Generated|FileNaming=PathToUnderscores,ProtoModule=google/protobuf/descriptor.proto:VoleryProtobuf
Protos|grpc/testing/empty.proto grpc/testing/load_balancer_stats.proto grpc/testing/messages.proto grpc/testing/test.proto|Sources/volery-interop/Generated|FileNaming=DropPath
Protos|grpc/channelz/v1/channelz.proto|Sources/VoleryChannelz/Generated|FileNaming=DropPath,Visibility=package,Prefix=Wire,Client=false,ModuleMappings=well-known-types.txt,Module=VoleryProtobuf+VoleryServer+VoleryTypes
Protos|grpc/reflection/v1/reflection.proto|Sources/VoleryReflection/Generated|FileNaming=PathToUnderscores,Visibility=public,Server=false,Module=VoleryClient+VoleryProtobuf+VoleryTypes
Protos|grpc/reflection/v1alpha/reflection.proto|Sources/VoleryReflection/Generated|FileNaming=PathToUnderscores,Prefix=Alpha,Client=false,Server=false,Module=VoleryProtobuf
Protos|grpc/health/v1/health.proto|Sources/VoleryServices/Generated|FileNaming=DropPath,Visibility=public,Module=VoleryClient+VoleryProtobuf+VoleryServer+VoleryTypes,ProtoModule=grpc/health/v1/health.proto:VoleryServices
Protos|xds/data/orca/v3/orca_load_report.proto|Sources/VoleryServices/Generated|FileNaming=DropPath,Visibility=package,Prefix=Wire,Client=false,Server=false,Module=VoleryProtobuf
Protos|xds/service/orca/v3/orca.proto|Sources/VoleryServices/Generated|FileNaming=DropPath,Visibility=package,Prefix=Wire,Client=false,ModuleMappings=well-known-types.txt,Module=VoleryProtobuf+VoleryServer+VoleryTypes
Protos|grpc/binlog/v1/binarylog.proto|Sources/VoleryBinaryLog/Generated|FileNaming=DropPath,Visibility=package,Prefix=Log,Server=false,Client=false,Module=VoleryProtobuf,ModuleMappings=well-known-types.txt
Protos|envoy/config/cluster/v3/cluster.proto envoy/config/core/v3/core.proto envoy/config/endpoint/v3/endpoint.proto envoy/config/endpoint/v3/load_report.proto envoy/config/listener/v3/listener.proto envoy/config/route/v3/route.proto envoy/extensions/clusters/aggregate/v3/aggregate.proto envoy/extensions/filters/common/fault/v3/fault.proto envoy/extensions/filters/http/fault/v3/fault.proto envoy/extensions/filters/http/stateful_session/v3/stateful_session.proto envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto envoy/extensions/http/stateful_session/cookie/v3/cookie.proto envoy/extensions/load_balancing_policies/client_side_weighted_round_robin/v3/client_side_weighted_round_robin.proto envoy/extensions/load_balancing_policies/least_request/v3/least_request.proto envoy/extensions/load_balancing_policies/pick_first/v3/pick_first.proto envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.proto envoy/extensions/load_balancing_policies/wrr_locality/v3/wrr_locality.proto envoy/extensions/transport_sockets/tls/v3/tls.proto xds/type/v3/typed_struct.proto envoy/admin/v3/config_dump_shared.proto envoy/type/http/v3/cookie.proto envoy/type/matcher/v3/matcher.proto envoy/type/v3/type.proto|Sources/VoleryXDS/Generated|FileNaming=PathToUnderscores,Visibility=package,Prefix=Wire,Server=false,ModuleMappings=well-known-types.txt,Module=VoleryProtobuf
Protos|envoy/service/discovery/v3/ads.proto envoy/service/load_stats/v3/lrs.proto|Sources/VoleryXDS/Generated|FileNaming=PathToUnderscores,Visibility=package,Prefix=Wire,Server=false,ModuleMappings=well-known-types.txt,Module=VoleryClient+VoleryProtobuf+VoleryTypes
Protos|envoy/service/status/v3/csds.proto|Sources/VoleryXDS/Generated|FileNaming=PathToUnderscores,Visibility=package,Prefix=Wire,Client=false,ModuleMappings=well-known-types.txt,Module=VoleryProtobuf+VoleryServer+VoleryTypes
Examples/Pods/Protos|pods.proto|Examples/Pods/Shared|Visibility=package
Examples/Pods/Protos|pods.proto|Examples/Front/Sources|Server=false
Examples/RouteGuide/Protos|route_guide.proto|Examples/RouteGuide/Sources|FileNaming=DropPath
Examples/HelloWorld/Protos|helloworld.proto|Examples/HelloWorld/Sources/Greeter|Visibility=package
Examples/Codegen/Sources/Shipping|Protos/shipping.proto|Examples/Codegen/Sources/Shipping/Generated|Visibility=public,FileNaming=DropPath,Server=false
Tests/Benchmark/Protos|benchmark.proto order.proto|Sources/volery-bench|
Tests/Benchmark/Messages/Protos|bench.proto|Tests/Benchmark/Messages/Sources/messages-bench|Module=VoleryProtobuf
Tests/ProtobufTests|everything.proto proto2.proto|Tests/TestMessages|FileNaming=DropPath,Visibility=package,Module=VoleryProtobuf
Tests/MessageFormatTests|formats.proto|Tests/TestMessages|FileNaming=DropPath,Visibility=package,Module=VoleryProtobuf
Tests/Lab/Protos|lab.proto|Tests/Lab/Program/Generated|
Tests/MessageFormatTests|lonely.proto|Tests/MessageFormatTests/Generated|FileNaming=DropPath
Tests/ProtobufTests|editions.proto|Tests/ProtobufTests/Generated|Prefix=Edition
Tests/ProtobufTests|edition2024.proto|Tests/ProtobufTests/Generated|Prefix=Later
Tests/TestingTests|parcels.proto|Tests/TestingTests/Generated|ClientProtocol=true
Tests/NastyMessages|nasty.proto nasty_imported.proto nasty_public.proto no_package.proto odd.proto kinds.proto|Tests/NastyMessages/Generated|Visibility=package
Tests/NastyMessages/paths|a/b/c.proto a/b_c.proto a_b/c.proto a_b_c.proto|Tests/NastyMessages/Generated|Visibility=package,FileNaming=PathToUnderscores
END
