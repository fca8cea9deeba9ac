#!/bin/sh
# House rules as programs: prints what is wrong and fails.
cd "$(dirname "$0")/.." || exit 2
bad=0
complain() {
  echo "lint: $1"
  bad=1
}
out=$(mktemp -d) || exit 2
trap 'rm -rf "$out"' EXIT

# Format.
clang-format --dry-run -Werror ext/*.[ch] || complain "make format"

# Warnings are errors, with both compilers.
for compiler in gcc clang; do
  make -s CC=$compiler CFLAGS="-O2 -Werror" BUILD="$out/$compiler" >"$out/log" 2>&1 ||
    { cat "$out/log"; complain "$compiler warns"; }
done

# gcc's analyzer: no path may leak, free twice or use what is freed or NULL.
make -s -j2 CC=gcc CFLAGS="-O1 -fanalyzer -Werror" BUILD="$out/analyzer" >"$out/log" 2>&1 ||
  { cat "$out/log"; complain "gcc -fanalyzer warns"; }

# Two exported symbols, the entry points.
symbols=$(nm -D --defined-only "$out/gcc/naver_serp.so" | awk '{print $3}' | sort | tr '\n' ' ')
[ "$symbols" = "sqlite3_naverserp_init sqlite3_naverserp_offline_init " ] || complain "exported symbols: $symbols"

# Rooms: a file includes only what is below it. Lowest first; the rooms of one line may
# include each other, except http, answer and store, which have a line each of the same
# height.
awk '
  function rise(names, h,  i, n, a) { n = split(names, a, " "); for (i = 1; i <= n; i++) height[a[i]] = h }
  BEGIN {
    rise("banned sqlite store_sql", 0)
    rise("columns config error buffer", 1)
    rise("scan curl_compat", 2)
    rise("http answer store", 3)
    rise("session collect fetch keep tally progress posting", 4)
    rise("plan vtab", 5)
    rise("tables ready post functions", 6)
    rise("naver_serp", 7)
    alone["http"]; alone["answer"]; alone["store"]
    alone["tables"]; alone["ready"]; alone["post"]; alone["functions"]
  }
  FNR == 1 { file = FILENAME; sub(/.*\//, "", file); sub(/\..*/, "", file)
    if (!(file in height)) { print FILENAME ": no such room in test/lint.sh"; bad = 1 } }
  /#include "/ { split($0, part, "\""); to = part[2]; sub(/\..*/, "", to)
    if (to != file && (height[to] > height[file] ||
        (height[to] == height[file] && to in alone)))
      { print FILENAME ":" FNR ": includes " part[2] ", which is not below it"; bad = 1 } }
  /#include <curl\// && file != "http" && file != "curl_compat" {
    print FILENAME ":" FNR ": only http.c meets libcurl"; bad = 1 }
  /#include <.*cJSON/ && file != "answer" {
    print FILENAME ":" FNR ": only answer.c meets cJSON"; bad = 1 }
  END { exit bad }
' ext/*.[ch] || complain "include direction"

# SQL text of the stored tables only in the store.
grep -lE '"[^"]*(FROM|INTO|UPDATE) .*\.naver_serp_(cache|items|tasks|posts)\b' ext/*.c |
  grep -v '^ext/store\.c$' && complain "SQL of the stored tables outside store.c"

# Complexity: at most 16 branches and 60 lines a function.
pmccabe ext/*.c | awk '$1 > 16 || $5 > 60 { print; bad = 1 } END { exit bad }' ||
  complain "functions too long or too branched (pmccabe: branches, lines)"

# Lines.
awk 'length > 100 { print FILENAME ":" FNR ": over 100 columns"; bad = 1 } END { exit bad }' \
  ext/*.[ch] sql/*.sql || complain "long lines"

# Static analysis.
cppcheck --enable=warning,performance,portability --std=c11 --inline-suppr --quiet \
  --suppress=missingIncludeSystem --error-exitcode=1 -j2 ext || complain "cppcheck"

# Off: what is a matter of style here (strcmp() as a truth value, assignments in conditions,
# arguments of like types), names that SQLite's headers need, and sizeof of a pointer, which
# is meant where a list of pointers is.
ls ext/*.c | xargs -P2 -n4 clang-tidy --quiet --warnings-as-errors='*' --extra-arg=-std=c11 \
  --checks='-*,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-assignment-in-if-condition,-bugprone-reserved-identifier,-bugprone-suspicious-string-compare,-bugprone-sizeof-expression' \
  --extra-arg=-D_DEFAULT_SOURCE --extra-arg='-DNAVER_SERP_VERSION="0"' --extra-arg=-include --extra-arg=ext/banned.h \
  --extra-arg=-I"$out/gcc" --extra-arg=-I/usr/include/cjson >"$out/log" 2>/dev/null ||
  { cat "$out/log"; complain "clang-tidy"; }

# Only what belongs at the top.
extra=$(git ls-files 2>/dev/null | cut -d/ -f1 | sort -u |
  grep -vxE 'Makefile|ext|sql|test|data|README\.md|LICENSE|\..*' | tr '\n' ' ')
[ -z "$extra" ] || complain "at the top level: $extra"

# Shell and Python scripts at least parse.
for script in test/*.sh .ci/run; do sh -n "$script" || complain "$script"; done
/usr/bin/python3 -m py_compile test/*.py || complain "Python"

[ $bad = 0 ] && echo "lint: ok"
exit $bad
