# What measurements have in common; sourced by them, in the directory of the sources.

# Wrong usage: $1 says how.
wrong() {
  echo "error: $1" >&2
  usage >&2
  exit 2
}

# A release build of what the arguments say.
build() {
  echo "building: some minutes the first time …" >&2
  cargo build --release --quiet "$@"
}

# Prints the help if one of the arguments asks for it.
help_if_asked() {
  local argument
  for argument in "$@"; do
    case "$argument" in -h | --help) usage; exit 0 ;; esac
  done
}

# A release build of a program of the tests that needs no node: $1 is "pure" for Rust alone or "fast" for AWS-LC, $2 are
# other features or none, $3 is the program. The node is named for its dependencies' features, so that they
# are not built a second time; it is not built itself.
build_program() {
  local features=$2
  if [ "$1" = fast ]; then features+=${features:+,}peer-tests/fast-crypto; fi
  build --package peer-tests --package peer-node --no-default-features --features "$features" --bin "$3"
}
