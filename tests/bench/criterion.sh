# Benchmarks in criterion; sourced after common.sh.

# Runs the benchmark files named by $1 (words), with the other arguments: --quick, --pure or --fast, a filter;
# once in Rust alone and once with AWS-LC, or one of the two. Prints the median of each benchmark, as the
# interval in which it lies with a confidence of 95 %, then the lines that the benchmarks begin with "ratio".
criterion() {
  local files=() filter=() backends=(pure fast) file backend
  local speed=(--verbose --warm-up-time 1 --measurement-time 5)
  for file in $1; do files+=(--bench "$file"); done
  shift
  while [ $# -gt 0 ]; do
    case "$1" in
      --quick) speed=(--verbose --warm-up-time 0.5 --measurement-time 1) ;;
      --pure) backends=(pure) ;;
      --fast) backends=(fast) ;;
      -*) wrong "no option '$1'" ;;
      *) [ "${#filter[@]}" = 0 ] || wrong "one filter at most"; filter=("$1") ;;
    esac
    shift
  done
  output=$(mktemp)
  trap 'rm -f "$output" "$output.log"' EXIT
  for backend in "${backends[@]}"; do
    local package=(--package peer-tests --no-default-features "${files[@]}")
    if [ "$backend" = fast ]; then
      package+=(--features fast-crypto)
      echo "== with AWS-LC (feature fast-crypto)"
    else
      echo "== in Rust alone"
    fi
    build "${package[@]}"
    echo "measuring: up to a few minutes …" >&2
    cargo bench --quiet "${package[@]}" -- "${speed[@]}" "${filter[@]}" >"$output" 2>"$output.log" ||
      { cat "$output.log" >&2; exit 1; }
    criterion_table
  done
}

criterion_table() {
  printf '%-44s %s\n' "benchmark" "median (95 % confidence)"
  awk '
    # "name  time: [low middle high]", the time on a line of its own if the name is long.
    /time:/ {
      line = $0
      sub(/ *time:.*/, "", line)
      if (line != "") name = line
      next
    }
    /^median / {
      gsub(/[][]/, "")
      printf "%-44s %9s %-3s – %9s %s\n", name, $2, $3, $4, $5
      next
    }
    /^ratio / { ratios = ratios $0 "\n"; next }
    /^[^ []+.*\/[^[]*$/ { name = $0 }
    END { if (ratios != "") printf "\n%s", ratios }
  ' "$output"
}
