#!/usr/bin/env bash
# Builds the example as Docs/Deploying.md has it, makes a bare Debian with exactly the packages that the page names, and runs
# the example's server and client in it: an answer, and an end on SIGTERM. Needs root: chroot and namespaces of its own.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
page=$root/Docs/Deploying.md
work=$root/.build-deploy
bare=$work/root
mirror=${MIRROR:-http://deb.debian.org/debian}

fail() { echo "FAIL: $*" >&2; exit 1; }

if [ "${1:-}" = inside ]; then
  # In namespaces of its own: no other process, no network but loopback.
  ip link set lo up
  mount -t proc proc "$bare/proc"
  user=(chroot --userspec=65534:65534 "$bare")
  "${user[@]}" /usr/local/bin/server &
  server=$!
  for _ in $(seq 1 50); do # until the server listens
    if "${user[@]}" timeout 5 /usr/local/bin/client >"$work/client.txt" 2>&1; then break; fi
    sleep 0.2
  done
  grep -qx "Hello, you!" "$work/client.txt" || { cat "$work/client.txt" >&2; fail "the client has no answer"; }
  kill -TERM "$server"
  wait "$server" || fail "the server ended with status $? on SIGTERM"
  exit 0
fi

# The packages of the Dockerfile's second stage.
packages=$(sed -n '/^FROM debian:/,/^COPY/p' "$page" | grep -E '^ +ca-certificates ' | sed 's/\\$//' | xargs)
release=$(sed -n 's/^FROM debian:\([a-z]*\)-slim$/\1/p' "$page")
[ -n "$packages" ] && [ -n "$release" ] || fail "Docs/Deploying.md names no packages, or no release"
. /etc/os-release
[ "${VERSION_CODENAME:-}" = "$release" ] || fail "the page is about $release, and this is ${PRETTY_NAME:-something else}"
for package in $packages; do
  grep -qF "| $package |" "$page" || fail "$package stands in the Dockerfile, but not in the table"
done

echo "Examples/HelloWorld, optimised, with Swift's runtime in it"
build=(-c release --static-swift-stdlib --package-path "$root/Examples/HelloWorld" --scratch-path "$work/build")
mkdir -p "$work"
swift build "${build[@]}" >"$work/build.log" 2>&1 ||
  { tail -30 "$work/build.log" >&2; fail "Examples/HelloWorld does not build"; }
mkdir -p "$work"
binaries=$(swift build "${build[@]}" --show-bin-path)

echo "a bare $release with $packages"
rm -rf "$bare"
debootstrap --variant=minbase --include="${packages// /,}" "$release" "$bare" "$mirror" >"$work/debootstrap.log" 2>&1 ||
  { tail -20 "$work/debootstrap.log" >&2; fail "debootstrap"; }
install -m 755 "$binaries/Server" "$bare/usr/local/bin/server"
install -m 755 "$binaries/Client" "$bare/usr/local/bin/client"
missing=$(chroot "$bare" ldd /usr/local/bin/server /usr/local/bin/client | grep "not found" || true)
[ -z "$missing" ] || fail "the page leaves out what has these: $missing"
[ -s "$bare/etc/ssl/certs/ca-certificates.crt" ] || fail "there are no certificates of public authorities"

echo "server and client in it"
timeout 60 unshare --mount --net --pid --fork "$0" inside

if command -v systemd-analyze >/dev/null; then
  echo "the systemd unit"
  mkdir -p "$bare/etc/systemd/system"
  sed -n '/^```ini$/,/^```$/p' "$page" | grep -v '^```' >"$bare/etc/systemd/system/server.service"
  systemd-analyze verify --root="$bare" server.service >"$work/unit.txt" 2>&1 || true
  ! grep -E "server.service:[0-9]+:|not executable" "$work/unit.txt" || fail "the unit is wrong"
fi

echo "the example runs in a bare $release: $(du -sh "$bare/usr/local/bin/server" | cut -f1) of server"
