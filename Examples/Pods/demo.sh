#!/usr/bin/env bash
# Runs a demo in a network of its own: a namespace with nothing but a loopback device, a real DNS server (dnsmasq) that
# knows the demo's names, and a resolv.conf that leads there. Nothing outside is touched. Needs root.
#   demo.sh BINARIES [one | two | three] [OPTION...]    (the folder with pod, pods-demo and, for three, volery-proxy)
set -euo pipefail
binaries=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch "$work/hosts"
chmod 755 "$work"
printf 'nameserver 127.0.0.1\n' > "$work/resolv.conf"

unshare -m -n bash -euo pipefail -c '
  work=$1 binaries=$2 here=$3
  shift 3
  ip link set lo up
  mount --bind "$work/resolv.conf" "$(readlink -f /etc/resolv.conf)"
  dnsmasq -k --no-resolv --no-hosts --conf-file=/dev/null --listen-address=127.0.0.1 --bind-interfaces --local=/test/ \
    --local-ttl=5 --addn-hosts="$work/hosts" --user=root --pid-file= &
  dns=$!
  trap "kill $dns; wait $dns || true" EXIT
  for _ in $(seq 100); do ss -lun | grep -q 127.0.0.1:53 && break; sleep 0.05; done
  "$binaries/pods-demo" "${@:-two}" --folder "$work" --dns-pid $dns \
    --pod "$binaries/pod" --proxy "$binaries/volery-proxy" --cluster-ip "$here/cluster_ip.py"
' demo "$work" "$binaries" "$here" "$@"
