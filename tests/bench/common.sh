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
