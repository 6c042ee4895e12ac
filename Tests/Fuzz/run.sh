#!/usr/bin/env bash
# Coverage-guided fuzzing with the toolchain's libFuzzer and AddressSanitizer: run.sh SECONDS [TARGET...]. Each target runs
# that long, FUZZ_JOBS (2) at once. New inputs that reach new code stay in .build/fuzz/TARGET; what is a finding is written to
# Tests/Fuzz/Findings, and makes the exit code 1. FUZZ_SEED (random) makes two runs from the same corpus alike.
# `MERGE=1 run.sh 0` adds what is new to the committed corpus, minimised.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
folder=$root/.build/fuzz
seconds=${1:-600}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=($(ls "$here/Corpus"))

mkdir -p "$folder"
# Both in one flag: of several the compiler heeds the last. gold, the usual linker, stumbles over the two `main`s.
VOLERY_FUZZ=1 swift build -c release --package-path "$root" --scratch-path "$folder/build" \
  -Xswiftc -sanitize=fuzzer,address -Xswiftc -use-ld=lld --product volery-fuzz >"$folder/build.log" 2>&1 ||
  { cat "$folder/build.log" >&2; exit 1; }
program=$folder/build/release/volery-fuzz
# Leaks are looked for elsewhere (the checker can't work under every sandbox).
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 SWIFT_BACKTRACE=enable=no

longest() { # what an input may have; a request to the plugin is longer than a message has to be
  [ "$1" = plugin ] && echo 8192 || echo 4096
}

if [ "${MERGE:-}" = 1 ]; then
  for target in "${targets[@]}"; do
    mkdir -p "$folder/$target" "$folder/merged"
    rm -rf "$folder/merged"/* "$folder/control"
    VOLERY_FUZZ_TARGET=$target "$program" -set_cover_merge=1 -use_counters=0 -max_len="$(longest "$target")" \
      -merge_control_file="$folder/control" "$folder/merged" "$here/Corpus/$target" "$folder/$target" \
      >"$folder/merge-$target.log" 2>&1
    rm -f "$folder/merged"/*
    "$here/minimise.py" "$folder/control" "$folder/merged"
    rm -f "$here/Corpus/$target"/*
    cp "$folder/merged"/* "$here/Corpus/$target/"
    echo "fuzz: $target: the corpus has $(ls "$here/Corpus/$target" | wc -l) inputs"
  done
  exit 0
fi

fuzz() { # one target; its last words and 1 when there was a finding
  local target=$1 log=$folder/$1.log
  mkdir -p "$folder/$target" "$here/Findings"
  if VOLERY_FUZZ_TARGET=$target "$program" -seed="${FUZZ_SEED:-0}" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=64 \
    -max_len="$(longest "$target")" -print_final_stats=1 -artifact_prefix="$here/Findings/$target-" "$folder/$target" \
    "$here/Corpus/$target" >"$log" 2>&1; then
    echo "fuzz: $target: no finding in $(grep -oP 'number_of_executed_units: \K\d+' "$log") inputs; places of code reached: $(
      grep -oP 'INITED cov: \K\d+' "$log") by the corpus, $(grep -oP 'cov: \K\d+' "$log" | tail -1) at the end; $(
      grep -oP 'peak_rss_mb: *\K\d+' "$log") MB at most"
  else
    grep -aE 'Fatal error|ERROR|SUMMARY|Test unit written' "$log" | head -8
    # What is found where nobody can look afterwards is told whole.
    for input in "$here/Findings/$target-"*; do [ ! -f "$input" ] || [ "$(stat -c %s "$input")" -gt 8192 ] || base64 -w0 "$input"; done
    echo
    echo "fuzz: $target: A FINDING, see $log"
    return 1
  fi
}
export -f fuzz longest
export folder here program seconds
printf '%s\n' "${targets[@]}" | xargs -P "${FUZZ_JOBS:-2}" -I {} bash -c 'fuzz {}'
