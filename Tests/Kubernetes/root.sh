#!/usr/bin/env bash
# Proves Examples/Kubernetes/Dockerfile where no image can be built: reads from it which packages and programs its images have, makes
# the same root folders with debootstrap, and has Tests/Kubernetes/check.py run the programs in them, as the user that it names, with
# nothing to write to: the probes are answered, and calls go through pods, proxy, client and front. Needs root.
#   root.sh PYTHON [STAGE...]        (the Python with grpcio; stages of the Dockerfile, all by default)
set -euo pipefail
python=$(realpath -s "$1")
shift
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
file=$root/Examples/Kubernetes/Dockerfile
mirror=${MIRROR:-http://deb.debian.org/debian}
scratch=$root/.build-images
configuration=${CONFIGURATION:-release}
fail() { echo "FAIL: $*" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT

# Of the stage that all images begin with; continued lines are one.
stage() { sed -e ':a' -e '/\\$/{N;s/\\\n//;ba}' "$file" | awk -v name="$1" '/^FROM/ { on = $4 == name } on'; }
release=$(stage runtime | sed -n 's/^FROM debian:\([a-z]*\)-slim .*/\1/p')
packages=$(stage runtime | sed -n 's/^RUN .*--no-install-recommends \([^&]*\)&&.*/\1/p' | xargs)
user=$(stage runtime | sed -n 's/^USER //p')
[ -n "$packages" ] && [ "$release" ] && [ "$user" = 65534:65534 ] || fail "the stage \"runtime\" names no packages, release or user"
. /etc/os-release
[ "${VERSION_CODENAME:-}" = "$release" ] || fail "the images are of $release, and this is ${PRETTY_NAME:-something else}"
stages=$(sed -n 's/^FROM runtime AS //p' "$file")
[ $# = 0 ] || stages=$*

build() { # product: as the Dockerfile does
  local options=(-c "$configuration" --static-swift-stdlib --scratch-path "$scratch/main" --package-path "$root" --product "$1")
  [ "$1" != front ] || options=(-c "$configuration" --static-swift-stdlib --scratch-path "$scratch/front" --package-path "$root/Examples/Front")
  echo "$1, $configuration, with Swift's runtime in it"
  swift build "${options[@]}" >"$work/build.log" 2>&1 || { tail -30 "$work/build.log" >&2; fail "$1 does not build"; }
  install -D -m 755 "$(swift build "${options[@]}" --show-bin-path)/$1" "$work/programs/$1"
}

echo "a bare $release with $packages"
debootstrap --variant=minbase --include="${packages// /,}" "$release" "$work/runtime" "$mirror" >"$work/debootstrap.log" 2>&1 ||
  { tail -20 "$work/debootstrap.log" >&2; fail "debootstrap"; }
[ -s "$work/runtime/etc/ssl/certs/ca-certificates.crt" ] || fail "there are no certificates of public authorities"
# Kubernetes writes this one.
echo "nameserver 127.0.0.1" >"$work/runtime/etc/resolv.conf"

mkdir "$work/roots"
for name in $stages; do
  copies=$(stage "$name" | sed -n 's/^COPY --from=[a-z-]* //p')
  [ -n "$copies" ] || fail "the stage \"$name\" copies nothing"
  cp -al "$work/runtime" "$work/roots/$name"
  while read -r from to; do
    build "$(basename "$from")"
    install -D -m 755 "$work/programs/$(basename "$from")" "$work/roots/$name$to"
    chroot "$work/roots/$name" ldd "$to" >"$work/ldd.txt"
    ! grep "not found" "$work/ldd.txt" || fail "no package of the Dockerfile has that"
    awk '{ print $1 }' "$work/ldd.txt" >>"$work/libraries.txt"
  done <<<"$copies"
done

# A package of which nothing needs anything is one too many.
sed -i 's#.*/##' "$work/libraries.txt"
for package in $packages; do
  [ "$package" = ca-certificates ] || chroot "$work/runtime" dpkg -L "$package" | sed 's#.*/##' | grep -qxF -f "$work/libraries.txt" ||
    echo "nothing loads anything of $package"
done

cd "$root"
# In namespaces of their own: no other process, no network but loopback, and nothing to write to.
unshare --mount --net --pid --fork --mount-proc bash -euo pipefail -c '
  work=$1 python=$2 check=$3
  for name in $(ls "$work/roots"); do
    mount --bind "$work/roots/$name" "$work/roots/$name"
    mount -o remount,bind,ro "$work/roots/$name"
    mount -t proc proc "$work/roots/$name/proc"
    ! chroot "$work/roots/$name" touch /tmp/written 2>/dev/null || { echo "FAIL: $name has a root that can be written to" >&2; exit 1; }
  done
  timeout 300 "$python" "$check" "$work/programs" --roots "$work/roots" --inside
' root "$work" "$python" "$here/check.py"
echo "the programs run in the roots of their images: $(du -sh "$work/runtime" | cut -f1) and $(du -ch "$work"/programs/* | tail -1 | cut -f1) of programs"
