#!/usr/bin/env bash
# Builds Examples/Shop as Docs/Deploying.md has it, makes a bare Debian with exactly the packages that the page names, and runs
# both of its servers and its client in it, over TLS: what is bought, what is sold out, and an end on SIGTERM. Needs root: chroot and
# namespaces of its own.
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
  # run NAME=VALUE... PROGRAM ARGUMENT...: where the certificates are, as nobody.
  run() { exec chroot --userspec=65534:65534 "$bare" env -C /srv/shop "$@"; }
  (run TOKENS=t-orders=orders,t-ann=ann inventory) &
  inventory=$!
  (run TOKENS=t-ann=ann ORDERS_TOKEN=t-orders orders) &
  orders=$!
  buy() { (run TOKEN=t-ann timeout 10 shopper buy tea "$1") >"$work/client.txt" 2>&1; }
  for _ in $(seq 1 50); do # until both servers listen
    buy 2 && grep -q "^ann gets 2 tea, order " "$work/client.txt" && break
    sleep 0.2
  done
  grep -q "^ann gets 2 tea, order " "$work/client.txt" || { cat "$work/client.txt" >&2; fail "nothing could be bought"; }
  buy 4
  grep -q "^FAILED_PRECONDITION: there is not enough tea" "$work/client.txt" ||
    { cat "$work/client.txt" >&2; fail "what is sold out was bought"; }
  for server in orders inventory; do
    kill -TERM "${!server}"
    wait "${!server}" || fail "$server ended with status $? on SIGTERM"
  done
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

echo "Examples/Shop, optimised, with Swift's runtime in it"
build=(-c release --static-swift-stdlib --package-path "$root/Examples/Shop" --scratch-path "$work/build")
mkdir -p "$work"
for program in inventory orders shopper; do
  swift build "${build[@]}" --product "$program" >"$work/build.log" 2>&1 ||
    { tail -30 "$work/build.log" >&2; fail "Examples/Shop does not build"; }
done
binaries=$(swift build "${build[@]}" --show-bin-path)

echo "a bare $release with $packages"
rm -rf "$bare"
debootstrap --variant=minbase --include="${packages// /,}" "$release" "$bare" "$mirror" >"$work/debootstrap.log" 2>&1 ||
  { tail -20 "$work/debootstrap.log" >&2; fail "debootstrap"; }
for program in inventory orders shopper; do install -m 755 "$binaries/$program" "$bare/usr/local/bin/$program"; done
missing=$(chroot "$bare" ldd /usr/local/bin/{inventory,orders,shopper} | grep "not found" || true)
[ -z "$missing" ] || fail "the page leaves out what has these: $missing"
[ -s "$bare/etc/ssl/certs/ca-certificates.crt" ] || fail "there are no certificates of public authorities"

# What a container's runtime brings: the host's own name, and the certificates, as the page about the shop makes them.
echo "127.0.0.1 localhost" >"$bare/etc/hosts"
mkdir -p "$bare/srv/shop"
certificates=$(sed -n '/^mkdir certificates$/,/^```$/p' "$root/Docs/Production.md" | grep -v '^```')
[ -n "$certificates" ] || fail "Docs/Production.md does not say how certificates are made"
(cd "$bare/srv/shop" && eval "$certificates") >"$work/certificates.log" 2>&1 ||
  { cat "$work/certificates.log" >&2; fail "the certificates can't be made"; }
chown -R 65534:65534 "$bare/srv/shop"

echo "servers and client in it"
timeout 120 unshare --mount --net --pid --fork "$0" inside

if command -v systemd-analyze >/dev/null; then
  echo "the systemd unit"
  mkdir -p "$bare/etc/systemd/system"
  ln -sf orders "$bare/usr/local/bin/server"
  sed -n '/^```ini$/,/^```$/p' "$page" | grep -v '^```' >"$bare/etc/systemd/system/server.service"
  systemd-analyze verify --root="$bare" server.service >"$work/unit.txt" 2>&1 || true
  ! grep -E "server.service:[0-9]+:|not executable" "$work/unit.txt" || fail "the unit is wrong"
fi

echo "the shop runs in a bare $release: $(du -sh "$bare/usr/local/bin/orders" | cut -f1) of server"
