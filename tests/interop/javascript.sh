# What parts in JavaScript have in common; sourced by their `run`.

skip() {
  echo "skipped: $1"
  exit 77
}

# Node.js that is new enough for js-libp2p 3: prints the program, fails if there is none to be had.
node_program() {
  if [ "$(node --version 2>/dev/null | tr -cd '0-9.' | cut -d. -f1)" -ge 22 ] 2>/dev/null; then
    command -v node
    return
  fi
  local program=$PLACE/node24/node_modules/.bin/node
  if [ ! -x "$program" ]; then
    npm install --prefix "$PLACE/node24" --no-save --no-audit --no-fund --loglevel error \
      "node@24.21.0" >"$PLACE/node24.log" 2>&1 || return 1
  fi
  "$program" --version >/dev/null && echo "$program"
}

# Runs the tests of the part $1, below the directory $2, whose name matches $3. They run beside the
# packages, so that nothing is installed into the source tree.
run_tests() {
  command -v npm >/dev/null || skip "npm is not installed"
  local node
  node=$(node_program) || skip "no Node.js 22 or newer, and npm cannot install one"
  mkdir -p "$PLACE/$1"
  cp "$2"/*.js "$2"/*.json "$PLACE/$1/"
  if ! cmp -s "$2/package-lock.json" "$PLACE/$1/installed"; then
    npm ci --prefix "$PLACE/$1" --ignore-scripts --no-audit --no-fund --loglevel error \
      >"$PLACE/$1.log" 2>&1 || skip "npm cannot install its packages (see $PLACE/$1.log)"
    cp "$2/package-lock.json" "$PLACE/$1/installed"
  fi
  cd "$PLACE/$1"
  exec "$node" --test --test-concurrency=1 --test-timeout=180000 --test-force-exit \
    ${3:+--test-name-pattern "$3"}
}
