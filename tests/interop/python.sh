# What parts in Python have in common; sourced by their `run`, in their directory.

skip() {
  echo "skipped: $1"
  exit 77
}

# Installs the packages that requirements.txt pins for the part $1, which needs Python $2 or newer.
install() {
  venv=$PLACE/$1
  command -v python3 >/dev/null || skip "python3 is not installed"
  python3 -c "import sys; sys.exit(sys.version_info < (${2/./, }))" || skip "it needs Python $2 or newer"
  if ! cmp -s requirements.txt "$venv/installed"; then
    { rm -rf "$venv" && python3 -m venv "$venv" &&
      "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r requirements.txt; } \
      >"$PLACE/$1.log" 2>&1 || skip "pip cannot install its packages (see $PLACE/$1.log)"
    cp requirements.txt "$venv/installed"
  fi
}

# Runs the part's tests whose name matches $1.
run_tests() {
  export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=../python
  exec "$venv/bin/python" -m unittest -v ${1:+-k "$1"}
}
