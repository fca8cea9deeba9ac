#!/bin/sh
# Installs what is missing: test/deps.sh GROUP...
#   build  compiler, pkg-config, headers of SQLite, libcurl and cJSON
#   shell  the sqlite3 shell
#   test   a Python 3 whose sqlite3 can load extensions, openssl
#   lint   clang, clang-format, clang-tidy, cppcheck, pmccabe
#   package  what `make man` and `make deb` use
#   fuzz   clang and its runtimes (libFuzzer, sanitizers)
#   hosts  programs of Debian that load extensions into SQLite: PHP, Perl, sqlite-utils, Tcl
#   sanitize  gcc and valgrind
#   bench  curl, jq; DuckDB is a peer too where npm and node are there
#   clickhouse  server and client for test_scale (105 MB; on a machine with systemd the
#               package also starts a server of its own: systemctl disable clickhouse-server)
#   browser  Chromium, its driver, a font with Hangul
# Silent when nothing is missing. Uses apt-get, through sudo where not root; elsewhere it
# says what to install and fails.
set -u

have() { command -v "$1" >/dev/null 2>&1; }
lib() { have pkg-config && pkg-config --exists "$1"; }
python_loads() {
  /usr/bin/python3 -c 'import sqlite3; sqlite3.connect("").enable_load_extension' \
    >/dev/null 2>&1
}

missing=
options=
need() { missing="$missing $1"; }

for group in "$@"; do
  case $group in
  build)
    have cc || need gcc
    [ -e /usr/include/stdio.h ] || [ "$(uname)" = Darwin ] || need libc6-dev
    have pkg-config || need pkg-config
    lib sqlite3 || need libsqlite3-dev
    lib libcurl || need libcurl4-openssl-dev
    lib libcjson || need libcjson-dev
    ;;
  shell) have sqlite3 || need sqlite3 ;;
  test)
    python_loads || need python3
    have openssl || need openssl
    ;;
  lint)
    for tool in clang clang-format clang-tidy cppcheck pmccabe; do
      have $tool || need $tool
    done
    ;;
  package)
    have go-md2man || need go-md2man
    have dpkg-shlibdeps || need dpkg-dev
    have man || need man-db
    have groff && [ -e /usr/share/groff/current/font/devps/DESC ] || need groff
    ;;
  fuzz)
    have clang || need clang
    ls "$(clang -print-resource-dir 2>/dev/null)"/lib/*/libclang_rt.fuzzer* >/dev/null 2>&1 ||
      need libclang-rt-dev
    ;;
  hosts)
    have sqlite-utils || need sqlite-utils
    have php || need php-cli
    php -r 'new SQLite3(":memory:");' >/dev/null 2>&1 || need php-sqlite3
    perl -MDBD::SQLite -e1 2>/dev/null || need libdbd-sqlite3-perl
    have tclsh || need tcl
    echo 'puts [package require sqlite3]' | tclsh 2>/dev/null | grep -q ^3 || need libsqlite3-tcl
    ;;
  sanitize)
    have gcc || need gcc
    have valgrind || need valgrind
    ;;
  bench)
    for tool in curl jq; do
      have $tool || need $tool
    done
    ;;
  browser)
    options=--no-install-recommends # Else a desktop comes with it.
    have chromium || need chromium
    have chromedriver || need chromium-driver
    [ -n "$(fc-list :lang=ko 2>/dev/null)" ] || need fonts-nanum
    ;;
  clickhouse)
    have clickhouse-client || need clickhouse-client
    have clickhouse-server || [ -x /usr/sbin/clickhouse-server ] || need clickhouse-server
    ;;
  *)
    echo "deps.sh: no group '$group'" >&2
    exit 2
    ;;
  esac
done

[ -n "$missing" ] || exit 0
if ! have apt-get; then
  echo "Please install (names as in Debian):$missing" >&2
  exit 1
fi
as_root=
[ "$(id -u)" = 0 ] || as_root=sudo
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
$as_root apt-get install -y -q $options $missing >/dev/null 2>&1 ||
  { $as_root apt-get update -q && $as_root apt-get install -y -q $options $missing; }
