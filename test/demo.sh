#!/bin/sh
# make demo: sql/demo.sql in the sqlite3 shell, on a fresh database. test/demo.sh BUILD_FOLDER
cd "$(dirname "$0")/.." || exit 2
rm -f "$1/demo.db"
exec sqlite3 -batch -init /dev/null -bail "$1/demo.db" <sql/demo.sql
