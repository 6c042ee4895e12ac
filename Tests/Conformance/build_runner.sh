#!/usr/bin/env bash
# Builds protobuf's official conformance runner from Debian's (or Ubuntu's) source package: build_runner.sh FOLDER.
# The version is that of the installed libprotobuf-dev, which the runner is linked with. FOLDER keeps the sources, the runner
# (FOLDER/runner) and the .proto files (FOLDER/protos); a second run finds them there and does nothing.
set -euo pipefail
mkdir -p "$1"
folder=$(cd "$1" && pwd)
version=$(dpkg-query -W -f '${Version}' libprotobuf-dev)
[ "$(cat "$folder/version" 2>/dev/null)" != "$version" ] || exit 0
rm -rf "$folder"/{apt,source,objects,protos,runner,version}
mkdir -p "$folder"/{apt/lists/partial,apt/cache/archives/partial,objects/google/protobuf,protos/google/protobuf}

# Source packages come from where the system's own packages do. The list is private: the system's stays as it is.
keyring=
for one in debian ubuntu; do
  [ ! -f /usr/share/keyrings/$one-archive-keyring.gpg ] || keyring="[signed-by=/usr/share/keyrings/$one-archive-keyring.gpg]"
done
apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
  awk -v keyring="$keyring" '($1 == "Debian" || $1 == "Ubuntu") { print "deb-src", keyring, $2, $4, $5 }' |
  sort -u >"$folder/apt/sources.list"
apt=(-qq -o Dir::Etc::SourceList="$folder/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
  -o Dir::State::Lists="$folder/apt/lists" -o Dir::Cache="$folder/apt/cache" -o APT::Sandbox::User=)
echo "conformance: the sources of protobuf $version"
apt-get "${apt[@]}" update
(cd "$folder/apt" && apt-get "${apt[@]}" source --download-only "protobuf=$version")
dpkg-source --no-check -q -x "$folder"/apt/protobuf_*.dsc "$folder/source" 2>/dev/null ||
  dpkg-source --no-check -x "$folder"/apt/protobuf_*.dsc "$folder/source" >/dev/null

echo "conformance: building the runner, about a minute"
source=$folder/source
cp "$source"/conformance/conformance.proto "$folder/protos/"
cp "$source"/src/google/protobuf/test_messages_proto{2,3}.proto "$folder/protos/google/protobuf/"
(cd "$folder/protos" && protoc -I . -I "$source/src" --cpp_out="$folder/objects" conformance.proto google/protobuf/*.proto)
units=("$source"/conformance/{conformance_test,conformance_test_main,conformance_test_runner}.cc
  "$source"/conformance/{binary_json_conformance_suite,text_format_conformance_suite}.cc
  "$source"/conformance/third_party/jsoncpp/jsoncpp.cpp
  "$folder"/objects/conformance.pb.cc "$folder"/objects/google/protobuf/test_messages_proto{2,3}.pb.cc)
# Headers come from the system, but for those that libprotobuf-dev does not install.
printf '%s\0' "${units[@]}" | xargs -0 -P "$(nproc)" -I {} sh -c \
  'g++ -std=c++17 -O1 -w -I "$1/objects" -I "$1/source/conformance" -idirafter "$1/source/src" -c "$2" -o "$1/objects/$(basename "$2").o"' _ "$folder" {}
g++ "$folder"/objects/*.o -lprotobuf -lpthread -o "$folder/runner"
rm -rf "$folder"/{apt,objects,*.orig.tar.*}
echo "$version" >"$folder/version"
