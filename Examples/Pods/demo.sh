#!/usr/bin/env bash
# Runs a demo in a network of its own: a namespace with nothing but a loopback device, a real DNS server (dnsmasq) that
# knows the demo's names, and a resolv.conf that leads there. Nothing outside is touched, and nothing is left. Needs root.
#   demo.sh BINARIES [one | two | three] [OPTION...]    (the folder with pod, pods-demo and, for three, volery-proxy)
# With FRONT, the program of Examples/Front, and PAGE, a port, there is a page of it while it runs: http://127.0.0.1:PAGE/.
set -euo pipefail
binaries=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
shift
work=$(mktemp -d)
page=
trap '[ -z "$page" ] || kill $page; rm -rf "$work"' EXIT
touch "$work/hosts"
chmod 755 "$work"
printf 'nameserver 127.0.0.1\n' > "$work/resolv.conf"
if [ -n "${FRONT-}" ]; then
  # The front listens in the other network, where no browser comes: what both see is the file system.
  FRONT=$(realpath "$FRONT")
  echo "$work/front.socket" > "$work/front"
  "$here/cluster_ip.py" 127.0.0.1 "${PAGE:-8080}" "$work/front" > "$work/page" &
  page=$!
  for _ in $(seq 100); do [ ! -s "$work/page" ] || break; kill -0 $page; sleep 0.05; done
  echo "a page of this demo, while it runs: http://$(sed 's/^LISTENING //' "$work/page")/"
fi
unshare -m -n --pid --fork --mount-proc --kill-child bash -euo pipefail -c '
  work=$1 binaries=$2 here=$3 front=$4
  shift 4
  ip link set lo up
  mount --bind "$work/resolv.conf" "$(readlink -f /etc/resolv.conf)"
  dnsmasq -k --no-resolv --no-hosts --conf-file=/dev/null --listen-address=127.0.0.1 --bind-interfaces --local=/test/ \
    --local-ttl=5 --addn-hosts="$work/hosts" --user=root --pid-file= &
  dns=$!
  trap "kill $dns; wait $dns || true" EXIT
  for _ in $(seq 100); do ss -lun | grep -q 127.0.0.1:53 && break; sleep 0.05; done
  "$binaries/pods-demo" "${@:-two}" --folder "$work" --dns-pid $dns ${front:+--front "$front"} \
    --pod "$binaries/pod" --proxy "$binaries/volery-proxy" --cluster-ip "$here/cluster_ip.py"
' demo "$work" "$binaries" "$here" "${FRONT-}" "$@"
