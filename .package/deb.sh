#!/bin/sh
# make deb: builds a Debian package in BUILD. .package/deb.sh BUILD VERSION
# DEBIAN_MAINTAINER in the environment names another maintainer. With the same sources,
# tools and SOURCE_DATE_EPOCH (unless set, the time of the last commit) the package comes
# out the same byte for byte.
set -eu
build=$1
version=$2
package=libsqlite3-mod-naver-serp # As Debian names SQLite's extensions
maintainer=${DEBIAN_MAINTAINER:-"The naver_serp authors <naver_serp@localhost>"}
architecture=$(dpkg --print-architecture)
multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH LC_ALL=C
umask 022

# Everything that `make install` installs, compiled as Debian compiles.
work=$build/deb
root=$work/root
rm -rf "$work"
mkdir -p "$work"
make -s -j2 install BUILD="$work/objects" DESTDIR="$root" PREFIX=/usr LIBDIR="/usr/lib/$multiarch" \
  CFLAGS="$(dpkg-buildflags --get CFLAGS)" CPPFLAGS="$(dpkg-buildflags --get CPPFLAGS)" \
  LDFLAGS="$(dpkg-buildflags --get LDFLAGS)"
library=$root/usr/lib/$multiarch/libnaver_serp.so
strip --strip-unneeded --remove-section=.comment --remove-section=.note "$library"
gzip -9n "$root"/usr/share/man/man7/naver_serp.7

# The documents that a package must have.
doc=$root/usr/share/doc/$package
mkdir -p "$doc"
{
  echo "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
  echo "Upstream-Name: naver_serp"
  echo
  echo "Files: *"
  sed -n 's/^Copyright (c) /Copyright: /p' LICENSE
  echo "License: Expat"
  sed -e '1,/^Copyright/d' -e '/./!s/.*/./' -e 's/^/ /' LICENSE | sed 1d
} >"$doc/copyright"
{
  printf '%s (%s) unstable; urgency=medium\n\n' "$package" "$version"
  awk -v version="$version" '/^##+ / { on = ($0 == "### " version); next }
    on && /^[-*] / { sub(/^./, "  *"); printf "%s%s", newline, $0; newline = "\n"; next }
    on && /^  / { sub(/^ +/, " "); printf "%s", $0 }
    END { print "" }' README.md | fold -s -w 76 | sed -e 's/ *$//' -e '/^ /!s/^./    &/'
  printf '\n -- %s  %s\n' "$maintainer" "$(date -R -u -d "@$SOURCE_DATE_EPOCH")"
} | gzip -9n >"$doc/changelog.gz"

# What the library needs, as dpkg-shlibdeps reads it from the library.
mkdir "$work/debian" "$root/DEBIAN"
printf 'Source: naver-serp\n\nPackage: %s\nArchitecture: any\n' "$package" >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O "-eroot/usr/lib/$multiarch/libnaver_serp.so")
cat >"$root/DEBIAN/control" <<EOF
Package: $package
Source: naver-serp
Version: $version
Architecture: $architecture
Multi-Arch: same
Maintainer: $maintainer
Installed-Size: $(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f1)
Depends: ${depends#shlibs:Depends=}
Recommends: sqlite3 (>= 3.38)
Section: database
Priority: optional
Description: SQLite extension that queries Naver search results
 Loaded into SQLite 3.38 or newer with ".load naver_serp", it gives the
 table-valued function naver_serp(id): one row for each element of a Naver
 results page that DataForSEO has collected. Answers are fetched over HTTPS
 once, many at a time, and kept as ordinary tables in the database.
EOF
echo "activate-noawait ldconfig" >"$root/DEBIAN/triggers"
(cd "$root" && find usr -type f | sort | xargs md5sum) >"$root/DEBIAN/md5sums"

dpkg-deb --root-owner-group -Zxz --build "$root" \
  "$build/${package}_${version}_$architecture.deb" >/dev/null
echo "$build/${package}_${version}_$architecture.deb"
