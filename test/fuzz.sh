#!/bin/sh
# Runs the fuzzers: test/fuzz.sh FOLDER SECONDS|short
#   FOLDER  where they were built; what they learn stays there from run to run
#   short   the seeds and five seconds more
# The bytes' fuzzer starts from data/ and test/corpus/json, that of SQL from
# test/corpus/sql. Both run at once. An input that is found is kept in FOLDER, and its name
# printed: FOLDER/fuzz_NAME FILE runs it again.
cd "$(dirname "$0")/.." || exit 2
folder=$1
seconds=$2
[ "$seconds" = short ] && seconds=5

fuzz() { # name, longest input in bytes, further arguments
  name=$1
  size=$2
  shift 2
  mkdir -p "$folder/$name"
  "$folder/fuzz_$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1500 \
    -max_len="$size" -artifact_prefix="$folder/$name-" -print_final_stats=1 \
    "$folder/$name" "$@" >"$folder/$name.log" 2>&1
}

report() { # name, exit status
  awk -v name="$1" '
    /cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
    /^stat::number_of_executed_units/ { runs = $2 }
    /^stat::average_exec_per_sec/ { speed = $2 }
    END { printf "fuzz %s: %d inputs run, %d a second, %d edges covered\n", name, runs, speed, edges }
  ' "$folder/$1.log"
  [ "$2" = 0 ] && return
  grep -aE 'FOUND|ERROR|runtime error|Test unit written' "$folder/$1.log"
  echo "fuzz $1: failed; see $folder/$1.log"
  bad=1
}

bad=0
fuzz bytes 16384 -dict=test/corpus/json.dict test/corpus/json data data/states &
first=$!
fuzz sql 256 test/corpus/sql &
second=$!
wait $first
report bytes $?
wait $second
report sql $?
exit $bad
