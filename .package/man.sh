#!/bin/sh
# The man page naver_serp(7) as Markdown for go-md2man: .package/man.sh VERSION DATE
# Its text is the README's: every section but those that are named below, so that there is
# one source. Run it in the project's folder.
set -eu
cat <<EOF
% "NAVER_SERP" "7" "$2" "naver_serp $1" "SQLite Extensions"

# NAME

naver_serp - query Naver search results with SQL, a SQLite extension

# SYNOPSIS

    .load naver_serp
    SELECT ... FROM naver_serp(id [, mode [, on_error]]);
    SELECT ... FROM naver_serp_task(id [, mode]);
    SELECT ... FROM naver_serp_ready;
    INSERT INTO naver_serp_post(keyword, ...) VALUES (...);
    SELECT naver_serp_import(body);
    SELECT naver_serp_config([key [, value]]);
    SELECT naver_serp_version();

# DESCRIPTION
EOF
# Headings rise by one level, since the README's first heading is its title, those of its
# reference part by two: a page of the manual is all reference. Languages of code go,
# and so does what has no meaning away from the README's folder: links to files and sections.
awk '
  BEGIN {
    n = split("Show me|Install|Performance|Development|Changelog|License", names, "|")
    for (i = 1; i <= n; i++) left_out["## " names[i]]
    on = 1
  }
  /^# / { next }
  /^```/ { code = !code; if (on) print "```"; next }
  !code && /^## / { on = !($0 in left_out); reference = $0 == "## Reference" }
  !on || $0 == "## Reference" { next }
  !code && reference { sub(/^#/, "") }
  !code && /^##/ { sub(/^#/, ""); if (/^# /) $0 = toupper($0) }
  {
    sub(/ such as `build\/naver_serp`/, "")
    gsub(/\[Install\]\(#install\)/, "FILES")
    gsub(/(build|data)\//, "") # It is installed
  }
  !code { while (match($0, /\[[^]]*\]\((#|[a-z]+\/)[^)]*\)/)) {
    link = substr($0, RSTART + 1, RLENGTH - 2)
    sub(/\].*/, "", link)
    $0 = substr($0, 1, RSTART - 1) link substr($0, RSTART + RLENGTH)
  } }
  { print }
' README.md
cat <<'EOF'

# FILES

The library naver_serp.so is in /usr/local/lib after `make install`, with LIBDIR where that says,
and in /usr/lib/ARCHITECTURE, such as x86_64-linux-gnu, after the installation of the Debian
package. Where `.load naver_serp` does not find it, name its path, export LD_LIBRARY_PATH, or write
its folder into a file of /etc/ld.so.conf.d and run ldconfig.

The scripts in sql/ are in /usr/local/share/naver_serp, or /usr/share/naver_serp of the Debian
package.

# SEE ALSO

sqlite3(1), curl(1), `https://sqlite.org/loadext.html`, `https://docs.dataforseo.com`
EOF
