#!/bin/sh
# What the tests of hosts and of SQLite's versions need and Debian does not have, from npm into
# BUILD/hosts: test/hosts.sh BUILD. Every part is optional: one that fails is named, and the
# tests that need it are skipped.
#   node_modules/better-sqlite3  compiled here where no ready binary can be had
#   node_modules/node-linux-*    a Node whose own node:sqlite loads extensions
#   sqlite/VERSION               libsqlite3.so.0 of that version, for Python's sqlite3 (see
#                                Versions in test_hosts.py); the sources come with
#                                better-sqlite3: the newest, the oldest that the extension
#                                takes, and the last that it refuses
set -u
NEWEST=12.11.1
NODE=26.10.0
mkdir -p "$1/hosts/sqlite" || exit 2
cd "$1/hosts" || exit 2
command -v npm >/dev/null && command -v node >/dev/null || {
  echo "hosts: there is no npm and node; left out" >&2
  exit 0
}
# Else a network that swallows everything costs five minutes for each part.
[ -e ".npm-$NEWEST-$NODE" ] ||
  npm view --prefer-offline --fetch-retries=0 --fetch-timeout=20000 "better-sqlite3@$NEWEST" \
    name >/dev/null 2>&1 || {
  echo "hosts: npm does not reach its registry; left out" >&2
  exit 0
}
log=$PWD/log
failed() {
  echo "hosts: no $1 (see $log)" >&2
}

node=node-linux-$(node -p process.arch)@$NODE
# install PACKAGE...: into node_modules. In one go, since npm takes away what it is not told of.
install() {
  npm install --prefix . --no-save --no-audit --no-fund --fetch-retries=0 "$@" >>"$log" 2>&1 </dev/null
}
[ -e package.json ] || echo '{"private": true}' >package.json
if [ ! -e ".npm-$NEWEST-$NODE" ]; then
  if install "better-sqlite3@$NEWEST" "$node"; then
    touch ".npm-$NEWEST-$NODE"
  else
    failed "better-sqlite3 $NEWEST"
    install "$node" || failed "Node $NODE"
  fi
fi

# library NAME VERSION FOLDER: SQLite of that better-sqlite3 as a shared library. Options are
# those that Debian's Python and these tests count on.
library() {
  [ -e "sqlite/.$1" ] && return
  work=$(mktemp -d) || return 1
  ( cd "$work" && npm pack --fetch-retries=0 "better-sqlite3@$1" && tar -xzf ./*.tgz ) >>"$log" 2>&1 &&
    version=$(sed -n 's/^#define SQLITE_VERSION  *"\(.*\)"/\1/p' "$work/package/deps/sqlite3/sqlite3.h") &&
    mkdir -p "sqlite/$version" &&
    ${CC:-cc} -O1 -shared -fPIC -Wl,-soname,libsqlite3.so.0 -o "sqlite/$version/libsqlite3.so.0" \
      -DSQLITE_THREADSAFE=1 -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_MATH_FUNCTIONS \
      -DSQLITE_ENABLE_COLUMN_METADATA -DSQLITE_ENABLE_DBSTAT_VTAB -DSQLITE_ENABLE_JSON1 \
      "$work/package/deps/sqlite3/sqlite3.c" -lm -ldl -lpthread >>"$log" 2>&1 &&
    touch "sqlite/.$1"
  result=$?
  rm -rf "$work"
  return $result
}
for version in 7.5.0 7.5.1 $NEWEST; do
  library $version || failed "SQLite of better-sqlite3 $version"
done
exit 0
