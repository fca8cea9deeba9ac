#!/bin/sh
# After an installation: does the loader find the library by its name? .package/loader.sh LIBDIR
# Renews the loader's cache where that is allowed, asks SQLite, and says what to do if not.
PATH=$PATH:/usr/sbin:/sbin
[ "$(uname)" = Linux ] || exit 0
ldconfig 2>/dev/null
if command -v sqlite3 >/dev/null; then
  (cd / && sqlite3 -batch -bail -init /dev/null :memory: ".load naver_serp" >/dev/null 2>&1)
else
  ldconfig -p | grep -q '^[[:space:]]naver_serp\.so '
fi && echo "\`.load naver_serp\` works from any folder." && exit 0
cat <<EOF
The loader does not search $1. Load it by its path, .load $1/naver_serp
or let the loader search there:
  for this user:  export LD_LIBRARY_PATH=$1
  for all, as root:  echo $1 >/etc/ld.so.conf.d/naver_serp.conf && ldconfig
EOF
