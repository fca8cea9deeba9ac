#!/bin/sh
# After an installation: does the loader find the library by its name? .package/loader.sh LIBDIR
# Renews the loader's cache where that is allowed, asks SQLite which file it loads, and says what
# to do if it is not this one.
PATH=$PATH:/usr/sbin:/sbin
[ "$(uname)" = Linux ] || exit 0
folder=$(realpath -- "$1") || exit 0
ldconfig 2>/dev/null
if command -v sqlite3 >/dev/null; then
  found=$(cd / && sqlite3 -batch -bail -init /dev/null :memory: ".load naver_serp" \
    ".shell grep -m1 naver_serp /proc/\$PPID/maps" 2>/dev/null | sed 's/^[^/]*//')
else
  found=$(ldconfig -p | sed -n 's/^[[:space:]]*naver_serp\.so .* => //p' | head -n 1)
fi
if [ -z "$found" ]; then
  echo "The loader does not search $folder."
elif [ "$(realpath -- "$found")" = "$folder/libnaver_serp.so" ]; then
  echo "\`.load naver_serp\` works from any folder."
  exit 0
else
  echo "\`.load naver_serp\` finds another copy first: $found"
fi
cat <<TEXT
Load it by its path, .load "$folder/naver_serp"
or let the loader search there:
  for this user:  export LD_LIBRARY_PATH="$folder"
  for all, as root:  echo "$folder" >/etc/ld.so.conf.d/naver_serp.conf && ldconfig
TEXT
