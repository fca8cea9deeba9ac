"""Files made by somebody who means harm: nothing in them reaches the network, the settings or the
environment, and a store in them is refused or serves the right rows."""
import contextlib
import itertools
import os
import sqlite3
import unittest

import support
import test_https
from support import value
from test_store import SCHEMA, Store, body, rows, task_id

A, B = task_id(0xa), task_id(0xb)
SCALARS = {"import": "naver_serp_import(CAST(x'7b7d' AS TEXT))", "config": "naver_serp_config()",
           "config get": "naver_serp_config('retries')", "config set": "naver_serp_config('retries', 9)",
           "version": "naver_serp_version()"}
TABLES = ("naver_serp", f"naver_serp('{A}')", f"naver_serp('{A}', 'refresh')", "naver_serp_task", f"naver_serp_task('{A}')",
          "naver_serp_ready", "naver_serp_post")
POST = "INSERT INTO naver_serp_post(keyword) VALUES ('k')"


class Hostile(test_https.Online, Store):
    """With a double of the API that counts, and credentials in the environment."""

    connect = Store.connect

    def setUp(self):
        test_https.Online.setUp(self)
        Store.setUp(self)

    def hostile(self, *statements):
        """A file whose schema was made where naver_serp's functions are harmless ones."""
        path = self.path()
        with contextlib.closing(self.plain(path)) as con:
            for name, n in (("import", 1), ("config", 0), ("config", 1), ("config", 2), ("version", 0)):
                con.create_function("naver_serp_" + name, n, lambda *a: 1, deterministic=True)
            con.execute("CREATE TABLE log(x)")
            for sql in statements:
                con.execute(sql)
        return path

    def nothing_happens(self, path, uses, texts=("unsafe use of",)):
        """Each use is an error under both settings of trusted_schema, and has no effect."""
        for trusted, (sql, attached) in itertools.product((1, 0), itertools.product(uses, (False, True))):
            with self.subTest(sql, trusted_schema=trusted, attached=attached):
                con = self.connect() if attached else self.connect(path)
                con.execute(f"PRAGMA trusted_schema = {trusted}")
                with self.assertRaises(sqlite3.Error) as caught:
                    if attached:
                        con.execute("ATTACH ? AS x", (path,))
                    con.execute(sql).fetchall()
                self.assertTrue(any(t in str(caught.exception) for t in texts), str(caught.exception))
                self.assertEqual(value(con, "SELECT naver_serp_config('retries')"), 4)
                with contextlib.suppress(sqlite3.DatabaseError):  # A schema that SQLite does not take at all
                    self.assertEqual(value(con, "SELECT count(*) FROM log"), 0)
                    self.assertEqual(support.stored(con), 0)
                con.close()
        self.assertEqual(self.d.counts()["requests"], 0)
        self.assertEqual(self.d.posted(), [])


class TestDirectOnly(Hostile):
    """What reaches outside the file is refused wherever a file can name it."""

    def test_functions_in_every_clause_of_a_table(self):
        for name, call in SCALARS.items():
            for columns in (f"a, b AS (a || {call}) STORED", f"a, b AS (a || {call})", f"a, b CHECK (a || {call} IS NOT NULL)",
                            f"a, b DEFAULT ({call})", f"a, b, CHECK ({call})"):
                with self.subTest(name, columns=columns):
                    path = self.hostile(f"CREATE TABLE t({columns})", "INSERT INTO t(a) VALUES (1)")
                    uses = ["INSERT INTO t(a) VALUES (2)", "REPLACE INTO t(a) VALUES (2)"]
                    uses += ["SELECT b FROM t"] if ", b AS " in columns and "STORED" not in columns else []
                    uses += ["UPDATE t SET a = 2, b = 3"] if "CHECK" in columns else []
                    self.nothing_happens(path, uses, ("unsafe use of", "non-deterministic"))

    def test_no_check_sends_the_credentials_elsewhere(self):
        """It could set base_url: SQLite lets a CHECK call what is DIRECTONLY, unless it is deterministic too."""
        with test_https.Double() as thief:
            task, = self.ready()
            path = self.path()
            with contextlib.closing(self.plain(path)) as con:
                con.create_function("naver_serp_config", 2, lambda *a: 1)
                con.execute(f"CREATE TABLE t(a CHECK (naver_serp_config('base_url', '{thief.base_url}') > ''"
                            f" AND naver_serp_config('ca_file', '{thief.ca_file}') > ''))")
            con = self.connect()
            with contextlib.suppress(sqlite3.DatabaseError):  # What counts comes below
                con.execute("ATTACH ? AS x", (path,))
                con.execute("INSERT INTO t VALUES (1)")
            self.assertEqual(value(con, test_https.COUNT, task), 3)
            self.assertEqual((self.d.counts()["requests"], thief.counts()["requests"]), (1, 0))

    def test_functions_in_indexes(self):
        """SQLite takes no such schema at all: the functions are not deterministic."""
        for name, call in SCALARS.items():
            for on in (f"(a || {call})", f"(a) WHERE {call}"):
                path = self.hostile("CREATE TABLE indexed(a)", f"CREATE INDEX i ON indexed{on}")
                for use in ("INSERT INTO indexed VALUES (1)", "REINDEX"):
                    with self.subTest(name, on=on, use=use):
                        con = self.connect(path)
                        with self.assertRaisesRegex(sqlite3.Error, "unsafe use of|non-deterministic"):
                            con.execute(use)
                        con.close()

    def test_functions_in_views_and_triggers(self):
        for name, call in SCALARS.items():
            path = self.hostile(
                f"CREATE VIEW v AS SELECT {call} AS a", "CREATE VIEW behind AS SELECT * FROM (SELECT a FROM v)",
                "CREATE TABLE t(a)",
                f"CREATE TRIGGER t1 BEFORE INSERT ON t BEGIN INSERT INTO log VALUES (1); SELECT {call}; END",
                f"CREATE TRIGGER t2 AFTER DELETE ON log BEGIN SELECT 1 WHERE {call}; END",
                f"CREATE TRIGGER t3 INSTEAD OF UPDATE ON behind WHEN {call} BEGIN SELECT 1; END",
                "CREATE VIEW plain AS SELECT 1 AS a",
                f"CREATE TRIGGER t4 INSTEAD OF INSERT ON plain BEGIN INSERT INTO log SELECT {call}; END")
            self.nothing_happens(path, ("SELECT * FROM v", "SELECT * FROM behind", "INSERT INTO t VALUES (1)", "DELETE FROM log",
                                        "INSERT INTO plain VALUES (1)", "SELECT (SELECT a FROM behind)"))

    def test_tables_in_views_and_triggers(self):
        for table in TABLES:
            path = self.hostile(
                f"CREATE VIEW v AS SELECT 1 AS a FROM {table}", f"CREATE VIEW nested AS SELECT 1 AS a WHERE EXISTS (SELECT * FROM {table})",
                f"CREATE VIEW joined AS SELECT 1 AS a FROM log LEFT JOIN {table} ON 1", "CREATE VIEW behind AS SELECT * FROM joined",
                "CREATE VIEW plain AS SELECT 1 AS a", "CREATE TABLE t(a)",
                f"CREATE TRIGGER t4 INSTEAD OF INSERT ON plain BEGIN INSERT INTO log SELECT 1 FROM {table}; END",
                f"CREATE TRIGGER t1 AFTER INSERT ON t BEGIN INSERT INTO log SELECT 1 FROM {table}; END")
            self.nothing_happens(path, ("SELECT * FROM v", "SELECT * FROM nested", "SELECT * FROM behind", "INSERT INTO t VALUES (1)",
                                        "INSERT INTO plain VALUES (1)"))

    def test_nothing_is_posted_by_a_trigger(self):
        path = self.hostile("CREATE TABLE t(a)", f"CREATE TRIGGER t1 AFTER INSERT ON t BEGIN {POST}; END",
                            "CREATE VIEW v AS SELECT 1 AS a", f"CREATE TRIGGER t2 INSTEAD OF INSERT ON v BEGIN {POST}; END")
        self.nothing_happens(path, ("INSERT INTO t VALUES (1)", "INSERT INTO v VALUES (1)"))

    def test_tables_under_false_names(self):
        """CREATE VIRTUAL TABLE harmless USING naver_serp_post, written into sqlite_schema by hand."""
        modules = ("naver_serp", "naver_serp_task", "naver_serp_ready", "naver_serp_post", "NAVER_SERP_POST")
        path = self.path()
        con = self.plain(path)
        con.executescript("CREATE TABLE log(x); PRAGMA writable_schema = 1")
        for k, module in enumerate(modules):
            for name, args in ((f"a{k}", ""), (f"b{k}", f"('{A}', 'refresh')")):
                con.execute("INSERT INTO sqlite_schema VALUES ('table', ?, ?, 0, ?)",
                            (name, name, f"CREATE VIRTUAL TABLE {name} USING {module}{args}"))
        con.close()
        uses = [f"SELECT * FROM {n}{k}" for k in range(len(modules)) for n in "ab"]
        uses += [f"INSERT INTO {n}{k}(keyword) VALUES ('k')" for k in (3, 4) for n in "ab"]
        self.nothing_happens(path, uses, (" has no tables of other names",))
        con = self.connect(path)  # The true names are not harmed
        self.assertEqual(value(con, "SELECT state FROM naver_serp_task(?, 'cache')", A), "absent")

    def test_our_names_taken_by_a_file(self):
        """A table or view called naver_serp is what the file says, and no way to the network."""
        for made in ("CREATE TABLE naver_serp(id, keyword)", "CREATE VIEW naver_serp AS SELECT 1 AS id"):
            path = self.hostile(made)
            con = self.connect(path)
            self.assertIn("'naver_serp' is not a function", self.error(con, "SELECT * FROM naver_serp(?)", A))
            self.assertLessEqual(len(rows(con, "SELECT * FROM naver_serp")), 1)
            con.close()
        self.assertEqual(self.requests(), 0)


class TestHostileStore(Hostile):
    """Tables that have the names and columns of the store, and something more."""

    # Whoever can write the file can take rows out of its tables, also by a trigger: then there are fewer.
    TAKES_ROWS = ("raise ignore", "deletes", "its triggers")
    EXTRAS = {
        "raise abort on insert of cache": "CREATE TRIGGER h BEFORE INSERT ON naver_serp_cache BEGIN SELECT RAISE(ABORT, 'hostile'); END",
        "raise fail on insert of items": "CREATE TRIGGER h AFTER INSERT ON naver_serp_items BEGIN SELECT RAISE(FAIL, 'hostile'); END",
        "raise ignore on insert of items": "CREATE TRIGGER h BEFORE INSERT ON naver_serp_items BEGIN SELECT RAISE(IGNORE); END",
        "raise ignore on insert of tasks": "CREATE TRIGGER h BEFORE INSERT ON naver_serp_tasks BEGIN SELECT RAISE(IGNORE); END",
        "raise ignore on update of cache": "CREATE TRIGGER h BEFORE UPDATE ON naver_serp_cache BEGIN SELECT RAISE(IGNORE); END",
        "raise rollback on insert of items": "CREATE TRIGGER h BEFORE INSERT ON naver_serp_items BEGIN SELECT RAISE(ROLLBACK, 'hostile'); END",
        "raise rollback on update of cache": "CREATE TRIGGER h BEFORE UPDATE ON naver_serp_cache BEGIN SELECT RAISE(ROLLBACK, 'hostile'); END",
        "deletes other items": "CREATE TRIGGER h AFTER INSERT ON naver_serp_items BEGIN DELETE FROM naver_serp_items WHERE item < new.item; END",
        "deletes its task": "CREATE TRIGGER h AFTER INSERT ON naver_serp_tasks BEGIN DELETE FROM naver_serp_tasks; END",
        "deletes its body": "CREATE TRIGGER h AFTER UPDATE ON naver_serp_cache BEGIN DELETE FROM naver_serp_cache WHERE id = new.id; END",
        "calls a function of ours": "CREATE TRIGGER h AFTER INSERT ON naver_serp_items BEGIN SELECT naver_serp_config('retries', 9); END",
        "fetches": f"CREATE TRIGGER h AFTER INSERT ON naver_serp_items BEGIN SELECT count(*) FROM naver_serp('{B}', 'refresh'); END",
        "posts": f"CREATE TRIGGER h AFTER INSERT ON naver_serp_tasks BEGIN {POST}; END",
        "calls an unknown function": "CREATE TRIGGER h AFTER INSERT ON naver_serp_items BEGIN SELECT no_such_function(); END",
        "writes a table that is not there": "CREATE TRIGGER h AFTER INSERT ON naver_serp_items BEGIN INSERT INTO nowhere VALUES (1); END",
        "a large number of rows": "CREATE TRIGGER h AFTER INSERT ON naver_serp_items BEGIN INSERT INTO log SELECT n FROM"
                                  " (WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100) SELECT n FROM c); END",
        "unique index": "CREATE UNIQUE INDEX h ON naver_serp_items(type)",
        "unique index on the task": "CREATE UNIQUE INDEX h ON naver_serp_tasks(state)",
        "index of an unknown collation": "CREATE INDEX h ON naver_serp_items(domain COLLATE hostile)",
        "index of a function that is not there": "CREATE INDEX h ON naver_serp_items(hostile(domain))",
        "partial index of that function": "CREATE INDEX h ON naver_serp_tasks(id) WHERE hostile(keyword)",
        "index of ours on something else": "DROP INDEX naver_serp_items_domain; CREATE INDEX naver_serp_items_domain ON log(x)",
        "its triggers are gone": "DROP TRIGGER naver_serp_cache_insert; DROP TRIGGER naver_serp_tasks_delete",
        "its triggers do something else": "DROP TRIGGER naver_serp_cache_insert; CREATE TRIGGER naver_serp_cache_insert"
                                          " AFTER INSERT ON log BEGIN DELETE FROM naver_serp_cache; END",
    }
    TABLES = {
        "items without rowid": ("naver_serp_items", "PRIMARY KEY, -- task", "PRIMARY KEY, -- task", ") WITHOUT ROWID;"),
        "tasks without rowid": ("naver_serp_tasks", "PRIMARY KEY,", "PRIMARY KEY,", ") WITHOUT ROWID;"),
        "id of another collation": ("naver_serp_cache", "id         TEXT PRIMARY KEY", "id TEXT COLLATE NOCASE PRIMARY KEY", ");"),
        "id of an unknown collation": ("naver_serp_tasks", "state ", "state TEXT COLLATE hostile, x ", ");"),
        "a further column that must not be NULL": ("naver_serp_items", "odd  ", "more TEXT NOT NULL, odd  ", ");"),
        "a CHECK that nothing meets": ("naver_serp_items", "odd  ", "more CHECK (more = 1) DEFAULT 2, odd  ", ");"),
        "a CHECK of ours": ("naver_serp_items", "odd  ", "more DEFAULT (naver_serp_config('retries', 9)), odd  ", ");"),
        "a generated column": ("naver_serp_items", "title  ", "title AS (type), title2  ", ");"),
    }

    def stores(self):
        """(name, path) of every such file, with one body put in by hand and a task B to fetch."""
        for name, sql in self.EXTRAS.items():
            yield name, SCHEMA + sql
        for name, (table, old, new, end) in self.TABLES.items():
            head, sep, tail = SCHEMA.partition(f"CREATE TABLE IF NOT EXISTS {table}(")
            made, close, rest = tail.partition("\n);")
            self.assertTrue(sep and close)
            self.assertIn(old, made, name)
            yield name, head + sep + made.replace(old, new, 1) + "\n" + end + rest

    def test_right_rows_or_a_clear_refusal(self):
        """Each file, asked in each way: no row is invented, nothing is done outside, the host goes on."""
        served, refused = 0, 0
        good, = self.ready(1, 4)
        for name, sql in self.stores():
            path = self.path()
            with contextlib.closing(self.plain(path)) as con:
                for f in ("hostile", "naver_serp_config"):
                    con.create_function(f, -1, lambda *a: 1, deterministic=True)
                con.create_collation("hostile", lambda a, b: (a > b) - (a < b))
                con.executescript("CREATE TABLE log(x);" + sql)
                with contextlib.suppress(sqlite3.Error):  # Some stand in the way of it themselves
                    con.execute("INSERT INTO naver_serp_cache(id, body) VALUES (?, ?)", (A, body(A, 3)))
                by_hand = value(con, "SELECT count(*) FROM naver_serp_cache")
            con = self.connect(path)
            for ask, n in ((f"SELECT title FROM naver_serp('{A}', 'cache', 'skip')", 3 * by_hand),
                           ("SELECT title FROM naver_serp", 3 * by_hand), (f"SELECT title FROM naver_serp('{good}')", 4),
                           (f"SELECT title FROM naver_serp WHERE id IN ('{A}', '{good}') AND mode = 'cache' AND on_error = 'skip'", None),
                           ("SELECT naver_serp_import('%s')" % body(B, 2).decode(), 1),
                           (f"SELECT title FROM naver_serp('{B}', 'cache', 'skip')", None),
                           ("SELECT count(*) FROM naver_serp_task", 1)):
                with self.subTest(name, ask=ask[:60]):
                    try:
                        found = rows(con, ask)
                        served += 1
                    except sqlite3.Error as e:
                        self.assertGreater(len(str(e)), 20, str(e))
                        self.assertRegex(str(e), r"naver_serp|hostile|malformed|unsafe|non-deterministic")
                        refused += 1
                        continue
                    if n is not None and name.startswith(self.TAKES_ROWS):
                        self.assertLessEqual(len(found), n)
                    elif n is not None:
                        self.assertEqual(len(found), n)
                    self.assertFalse(con.in_transaction)
                    self.assertEqual(value(con, "SELECT naver_serp_config('retries')"), 4)
            self.assertEqual(self.d.posted(), [])
            self.assertEqual(self.d.requests_for(B), 0)
            con.close()
            with contextlib.closing(self.plain(path)) as plain, self.subTest(name, after=True):
                plain.create_function("hostile", 1, lambda *a: 1, deterministic=True)
                plain.create_collation("hostile", lambda a, b: (a > b) - (a < b))
                self.assertEqual([r for r, in rows(plain, "PRAGMA integrity_check") if "CHECK constraint" not in r], ["ok"])
        if os.environ.get("NAVER_TEST_VERBOSE"):
            print(served, refused)
        self.assertGreater(served, 40)
        self.assertGreater(refused, 10)


if __name__ == "__main__":
    unittest.main()
