#!/usr/bin/env bash
# Runs the demo in a network of its own: a namespace with nothing but a loopback device, a real DNS server (dnsmasq) that
# knows one name, and a resolv.conf that leads there. Nothing outside is touched. Needs root.
#   demo.sh BINARIES        (the folder with pod and pods-demo)
set -euo pipefail
binaries=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch "$work/hosts"
chmod 755 "$work"
printf 'nameserver 127.0.0.1\n' > "$work/resolv.conf"

unshare -m -n bash -euo pipefail -c '
  work=$1 binaries=$2
  ip link set lo up
  mount --bind "$work/resolv.conf" "$(readlink -f /etc/resolv.conf)"
  dnsmasq -k --no-resolv --no-hosts --conf-file=/dev/null --listen-address=127.0.0.1 --bind-interfaces --local=/test/ \
    --local-ttl=5 --addn-hosts="$work/hosts" --user=root --pid-file= &
  dns=$!
  trap "kill $dns; wait $dns || true" EXIT
  for _ in $(seq 100); do ss -lun | grep -q 127.0.0.1:53 && break; sleep 0.05; done
  "$binaries/pods-demo" --pod "$binaries/pod" --hosts "$work/hosts" --dns-pid $dns
' demo "$work" "$binaries"
