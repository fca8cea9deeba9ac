#!/bin/sh
# Loads a store into ClickHouse: sql/clickhouse.sh serp.db [option of clickhouse-client...]
#
#   sql/clickhouse.sh serp.db --host shard1.example --port 9000
#
# Loads the answers (id, fetched_at) that ClickHouse does not have yet: run it as often as you
# like, for as many stores as there are. sql/clickhouse.sql comes first, on every server. What
# is deleted from the store stays in ClickHouse, and a body changed by hand is loaded again
# only if its fetched_at has changed too. Lines wait in a folder of TMPDIR meanwhile.
set -eu
[ $# -gt 0 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
[ -f "$1" ] || { echo "clickhouse.sh: there is no file $1" >&2; exit 2; }
store=$(realpath -- "$1")
lines=$(dirname "$(realpath -- "$0")")/lines.sql
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
send() { clickhouse-client "$@"; }

send "$@" --query "SELECT DISTINCT concat(hex(id), ' ', hex(fetched_at))
  FROM naver_serp_tasks_all FORMAT TabSeparated" </dev/null >"$folder/handed"
import=".import handed handed"
[ -s "$folder/handed" ] || import= # The shell takes an empty file for a mistake.
told=$(
  cd "$folder"
  sqlite3 -init /dev/null -batch -bail -readonly "$store" \
    -cmd "CREATE TEMP TABLE handed(answer TEXT PRIMARY KEY)" \
    -cmd ".mode ascii" -cmd '.separator "|" "\n"' -cmd "$import" <"$lines"
)
count() { echo $(($(wc -l <"$folder/naver_serp_$1.jsonl"))); } # Some wc put blanks first.
written="$(count tasks) tasks, $(count items) items"
[ "$written" = "$told" ] || {
  echo "clickhouse.sh: not all lines could be written: is there room in ${TMPDIR:-/tmp}?" >&2
  exit 1
}

# Items first: an answer counts as loaded when its tasks are there.
for table in items tasks; do
  [ -s "$folder/naver_serp_$table.jsonl" ] || continue
  send "$@" --insert_distributed_sync=1 --query "INSERT INTO naver_serp_${table}_all
    FORMAT JSONEachRow" <"$folder/naver_serp_$table.jsonl"
done
echo "$written loaded; $(sqlite3 -init /dev/null -batch -readonly "$store" \
  "SELECT count(*) FROM naver_serp_cache WHERE parsed = 0") answers are not parsed yet"
