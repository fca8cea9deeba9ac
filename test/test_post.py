"""naver_serp_post: what is posted when, what never is, and what is on record afterwards."""
import contextlib
import json
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import unittest

import support
import test_https

INSERT = "INSERT INTO naver_serp_post(keyword) VALUES (?)"
NUMBERS = "WITH RECURSIVE c(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM c WHERE i < %d) "
MANY = NUMBERS + "INSERT INTO naver_serp_post(keyword) SELECT 'k' || i FROM c"
UNANSWERED = "no answer; it may have been created: see naver_serp_ready"
PAYMENT = "40200 Payment Required (refused): look into your DataForSEO account, then ask again"


class Relay:
    """Passes so many connections on to a port of this machine, then closes its door."""

    def __init__(self, port, connections):
        self.door = socket.create_server(("127.0.0.1", 0))
        self.base_url = "https://localhost:%d" % self.door.getsockname()[1]
        self.threads = []
        threading.Thread(target=self.serve, args=(port, connections), daemon=True).start()

    def serve(self, port, connections):
        for _ in range(connections):
            near, _ = self.door.accept()
            far = socket.create_connection(("127.0.0.1", port))
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self.copy, args=(a, b), daemon=True).start()
        self.door.close()

    @staticmethod
    def copy(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.door.close()


class Posts(test_https.Online):

    def setUp(self):
        super().setUp()
        self.before = len(self.d.posted())

    def posted(self):
        """The tasks that the API was sent in this test, in order."""
        return [p["data"] for p in self.d.posted()][self.before:]

    def assertPosted(self, *keywords, calls=None):
        self.assertEqual([p["keyword"] for p in self.posted()], list(keywords))
        self.assertEqual(self.d.counts()["posts"], bool(keywords) if calls is None else calls)

    def assertNothing(self, con=None):
        self.assertPosted()
        if con:
            self.assertEqual(self.recorded(con), [])

    def recorded(self, con, columns="keyword, state"):
        """What SELECT shows; values rather than rows where one column is asked for."""
        rows = con.execute(f"SELECT {columns} FROM naver_serp_post").fetchall()
        return [r[0] for r in rows] if len(rows and rows[0]) == 1 else rows

    # ---- Transactions

    def test_autocommit(self):
        con = self.connect()
        self.assertEqual(con.execute(INSERT, ("캠핑 의자",)).rowcount, 1)
        self.assertPosted("캠핑 의자")
        row, = support.rows(con, "SELECT * FROM naver_serp_post")
        sent = self.d.posted()[-1]
        self.assertEqual([row[k] for k in ("keyword", "id", "state", "status_code", "status_message", "cost")],
                         ["캠핑 의자", sent["id"], "pending", 20100, "Task Created.", 0.0006])
        self.assertRegex(row["posted_at"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+00:00$")
        self.assertLess(abs(support.value(con, "SELECT julianday(posted_at) - julianday('now') FROM naver_serp_post")),
                        0.01)
        self.assertEqual(support.rows(con, "SELECT * FROM main.naver_serp_posts"), [{"post": 1, **row}])

    def test_autocommit_many_rows_are_one_call(self):
        con = self.connect()
        con.execute("INSERT INTO naver_serp_post(keyword) VALUES ('a'), ('b'), ('c')")
        self.assertPosted("a", "b", "c", calls=1)

    def test_commit(self):
        con = self.connect()
        con.execute("BEGIN")
        con.execute(INSERT, ("a",))
        con.execute(INSERT, ("b",))
        self.assertNothing(con)
        con.execute("COMMIT")
        self.assertPosted("a", "b", calls=1)
        self.assertEqual(self.recorded(con), [("a", "pending"), ("b", "pending")])
        con.execute("BEGIN")
        con.execute("COMMIT")
        self.assertPosted("a", "b", calls=1)

    def test_rollback(self):
        con = self.connect()
        con.execute("BEGIN")
        con.execute(INSERT, ("a",))
        con.execute("ROLLBACK")
        self.assertNothing(con)
        con.execute(INSERT, ("b",))
        self.assertPosted("b")

    def test_close_without_commit(self):
        con = self.connect(self.file())
        con.execute("BEGIN")
        con.execute(INSERT, ("a",))
        con.close()
        self.assertNothing()

    def test_savepoints(self):
        con = self.connect()
        for sql, keyword in (("SAVEPOINT one", "a"), ("SAVEPOINT two", "b"), ("SAVEPOINT three", "c")):
            con.execute(sql)
            con.execute(INSERT, (keyword,))
        con.execute("ROLLBACK TO two")
        con.execute(INSERT, ("d",))
        con.execute("RELEASE two")
        self.assertNothing(con)
        con.execute("RELEASE one")
        self.assertPosted("a", "d", calls=1)

    def test_savepoint_rolled_back_after_an_inner_release(self):
        con = self.connect()
        con.execute("BEGIN")
        con.execute(INSERT, ("a",))
        con.execute("SAVEPOINT one")
        con.execute("SAVEPOINT two")
        con.execute(INSERT, ("b",))
        con.execute("RELEASE two")
        con.execute("ROLLBACK TO one")
        con.execute("ROLLBACK TO one")
        con.execute(INSERT, ("c",))
        con.execute("COMMIT")
        self.assertPosted("a", "c")

    def test_savepoint_older_than_the_first_insert(self):
        con = self.connect()
        con.execute("SAVEPOINT one")
        con.execute("SAVEPOINT two")
        con.execute("SAVEPOINT three")
        con.execute(INSERT, ("a",))
        con.execute("ROLLBACK TO one")  # The table of posts goes, too
        con.execute(INSERT, ("b",))
        con.execute("ROLLBACK TO one")
        con.execute("RELEASE one")
        self.assertNothing(con)
        self.assertEqual(support.value(con, "SELECT count(*) FROM sqlite_schema"), 0)

    def test_python_implicit_transactions(self):
        con = self.connect(self.file())
        con.isolation_level = "DEFERRED"
        with con:
            con.execute(INSERT, ("a",))
            self.assertNothing()
        self.assertPosted("a")
        with self.assertRaises(ZeroDivisionError), con:
            con.execute(INSERT, ("b",))
            raise ZeroDivisionError
        con.executemany(INSERT, [("c",), ("d",)])
        con.commit()
        self.assertPosted("a", "c", "d", calls=2)

    def test_failing_source(self):
        con = self.connect()
        source = ("INSERT INTO naver_serp_post(keyword) SELECT 'k' || value FROM json_each('[1,2,3]')"
                  " WHERE json_extract(CASE value WHEN 3 THEN 'no' ELSE '{}' END, '$') IS NOT NULL")
        self.assertIn("malformed JSON", self.error(con, source))
        self.assertNothing(con)
        con.execute("BEGIN")
        con.execute(INSERT, ("a",))
        self.assertIn("malformed JSON", self.error(con, source))
        con.execute(INSERT, ("b",))
        con.execute("COMMIT")
        self.assertPosted("a", "b", calls=1)

    def test_failing_row_in_the_middle(self):
        con = self.connect()
        values = "INSERT INTO naver_serp_post(keyword, priority) VALUES ('a', 1), ('b', 3), ('c', 2)"
        self.assertEqual(self.error(con, values), "naver_serp_post: priority must be 1 or 2, not '3' (keyword 'b')")
        self.assertNothing(con)
        con.execute("BEGIN")
        con.execute(INSERT, ("x",))
        self.error(con, values)
        con.execute(values.replace("INSERT", "INSERT OR IGNORE"))
        con.execute("COMMIT")
        self.assertPosted("x", "a", "c")

    def test_or_rollback_and_or_fail(self):
        con = self.connect()
        bad = " INTO naver_serp_post(keyword, priority) VALUES ('a', 1), ('b', 9)"
        con.execute("BEGIN")
        con.execute(INSERT, ("x",))
        self.error(con, "INSERT OR ROLLBACK" + bad)
        self.assertFalse(con.in_transaction)
        self.assertNothing(con)
        con.execute("BEGIN")
        con.execute(INSERT, ("x",))
        self.error(con, "INSERT OR FAIL" + bad)
        con.execute("COMMIT")
        self.assertPosted("x", "a")

    def test_insert_from_naver_serp(self):
        task, = self.ready(1, items=3)
        con = self.connect()
        con.execute("INSERT INTO naver_serp_post(keyword) SELECT DISTINCT domain FROM naver_serp(?)"
                    " WHERE domain IS NOT NULL", (task,))
        domains = {d for d, in con.execute("SELECT domain FROM naver_serp(?)", (task,)) if d}
        self.assertEqual(sorted(p["keyword"] for p in self.posted()), sorted(domains))
        self.assertGreater(support.value(con, "SELECT count(*) FROM naver_serp_items"), 0)

    def test_rows_and_posts_in_one_transaction(self):
        con = self.connect()
        con.execute("CREATE TABLE t(x INTEGER PRIMARY KEY, y)")
        con.execute("BEGIN")
        con.execute(INSERT, ("a",))
        con.execute("INSERT INTO t VALUES (77, 1)")
        con.execute("COMMIT")
        self.assertEqual(support.value(con, "SELECT last_insert_rowid()"), 77)
        self.assertEqual(support.value(con, "SELECT count(*) FROM t"), 1)
        con.execute(INSERT, ("b",))
        self.assertEqual(support.value(con, "SELECT last_insert_rowid()"), 2)

    def test_nothing_at_prepare_or_explain(self):
        con = self.connect()
        con.execute("EXPLAIN " + INSERT, ("a",)).fetchall()
        con.execute("EXPLAIN QUERY PLAN SELECT * FROM naver_serp_post").fetchall()
        self.assertNothing(con)
        self.assertEqual(support.value(con, "SELECT count(*) FROM sqlite_schema"), 0)

    # ---- How many

    def test_101_keywords(self):
        con = self.connect()
        text = self.error(con, MANY % 101)
        self.assertEqual(text, "naver_serp_post: more than max_post_tasks (100) tasks in one transaction; nothing was"
                         " posted; raise it with SELECT naver_serp_config('max_post_tasks', N)")
        self.assertNothing(con)
        con.execute(MANY % 100)
        self.assertPosted(*["k%d" % n for n in range(1, 101)], calls=1)
        self.configure(con, max_post_tasks=101)
        con.execute(MANY % 101)
        self.assertEqual(self.d.counts()["posts"], 3)
        self.assertEqual(support.value(con, "SELECT count(DISTINCT id) FROM naver_serp_post"), 201)

    def test_1001_keywords(self):
        con = self.connect(self.file(), max_post_tasks=2000)
        con.execute(MANY % 1001)
        self.assertPosted(*["k%d" % n for n in range(1, 1002)], calls=11)
        ids = {p["data"]["keyword"]: p["id"] for p in self.d.posted()[self.before:]}
        self.assertEqual(dict(con.execute("SELECT keyword, id FROM naver_serp_post WHERE state = 'pending'")), ids)

    def test_limit_counts_the_transaction(self):
        con = self.connect(max_post_tasks=2)
        con.execute("BEGIN")
        con.execute(INSERT, ("a",))
        con.execute(INSERT, ("b",))
        self.assertIn("max_post_tasks (2)", self.error(con, INSERT, "c"))
        con.execute("COMMIT")
        con.execute(INSERT, ("d",))
        self.assertPosted("a", "b", "d", calls=2)

    # ---- What the API says

    def test_refused_account(self):
        self.d.fault("status", call="task_post", status=402, times=None)
        con = self.connect()
        con.execute("CREATE TABLE t(x)")
        con.execute("BEGIN")
        con.execute("INSERT INTO t VALUES (1)")
        con.execute(INSERT, ("a",))
        self.assertEqual(self.error(con, "COMMIT"), "naver_serp_post: nothing was posted: " + PAYMENT)
        self.assertFalse(con.in_transaction)
        self.assertEqual(self.d.counts()["created"], 0)
        self.assertEqual(self.d.counts()["posts"], 1)
        self.assertEqual(self.recorded(con), [])
        self.assertEqual(support.value(con, "SELECT count(*) FROM t"), 0)

    def test_refused_at_the_second_call(self):
        self.d.fault("status", call="task_post", status=402, after=1, times=None)
        con = self.connect(max_post_tasks=1000)
        con.execute(MANY % 301)
        self.assertPosted(*["k%d" % n for n in range(1, 101)], calls=2)
        rows = con.execute("SELECT state, count(*), min(keyword IS NOT NULL), min(status_code), max(status_code),"
                           " count(id), count(cost) FROM naver_serp_post GROUP BY state ORDER BY state").fetchall()
        self.assertEqual(rows, [("pending", 100, 1, 20100, 20100, 100, 100), ("refused", 201, 1, 40200, 40200, 0, 0)])
        self.assertEqual(self.recorded(con, "DISTINCT status_message"), ["Task Created.", PAYMENT,
                                                                         "not sent, since: " + PAYMENT])

    def test_a_wrong_base_url_posts_nothing_and_says_so(self):
        con = self.connect(base_url=self.d.base_url + "/v3")
        self.assertRegex(self.error(con, INSERT, "a"), "^naver_serp_post: nothing was posted: 40400 .*base_url")
        self.assertEqual(self.recorded(con), [])

    def test_wrong_password_and_none(self):
        con = self.connect()
        self.environ(DATAFORSEO_PASSWORD="wrong")
        self.assertRegex(self.error(con, INSERT, "a"), "^naver_serp_post: nothing was posted: 40100 .*refused.*the API refused DATA")
        self.environ(DATAFORSEO_PASSWORD=None)
        self.assertRegex(self.error(con, INSERT, "a"), "^naver_serp_post: nothing was posted: .*no credentials.*set DATA")
        self.environ(**self.d.env())
        con.execute(INSERT, ("b",))
        self.assertPosted("b", calls=2)

    def test_a_task_that_fails(self):
        con = self.connect()
        bad = "INSERT INTO naver_serp_post(keyword, options) VALUES ('a', '{\"location_code\": 1}')"
        text = self.error(con, bad)
        self.assertEqual(text, "naver_serp_post: nothing was posted: keyword 'a': 40501 Invalid Field: 'location_code'"
                         " (failed): see the status code in the API's documentation")
        self.assertEqual(self.recorded(con), [])
        con.execute(bad + ", ('b', NULL)")
        self.assertEqual(self.recorded(con, "keyword, state, status_code, status_message, cost"), [
            ("a", "failed", 40501, "Invalid Field: 'location_code'.", 0), ("b", "pending", 20100, "Task Created.", 0.0006)])

    def test_refused_tasks_inside_a_good_answer(self):
        body = {"status_code": 20000, "status_message": "Ok.", "tasks": [
            {"id": None, "status_code": 40203, "status_message": "Cost limit exceeded.", "cost": 0}] * 100}
        self.d.fault("body", call="task_post", body=json.dumps(body).encode())
        con = self.connect(max_post_tasks=1000)
        self.assertIn("nothing was posted: keyword 'k1': 40203 Cost limit exceeded (refused)", self.error(con, MANY % 150))
        self.assertEqual(self.d.counts()["posts"], 1)
        self.assertEqual(self.recorded(con), [])

    def test_a_refused_task_stops_the_rest(self):
        def entry(code, message):
            return {"id": "x", "status_code": code, "status_message": message, "cost": 0.1}
        body = {"status_code": 20000, "status_message": "Ok.", "tasks":
                [entry(20100, "Task Created.")] * 50 + [entry(40203, "Cost limit exceeded.")] * 50}
        self.d.fault("body", call="task_post", body=json.dumps(body).encode())
        con = self.connect(max_post_tasks=1000)
        con.execute(MANY % 150)
        self.assertEqual(self.d.counts()["posts"], 1)
        self.assertEqual(
            con.execute("SELECT min(post), state, status_code, status_message, count(*) FROM naver_serp_posts"
                        " GROUP BY 2, 3, 4 ORDER BY 1").fetchall(),
            [(1, "pending", 20100, "Task Created.", 50), (51, "refused", 40203, "Cost limit exceeded.", 50),
             (101, "refused", 40203, "not sent, since: keyword 'k51': 40203 Cost limit exceeded (refused): look into"
              " your DataForSEO account, then ask again", 50)])

    def test_answer_with_too_few_tasks(self):
        body = {"status_code": 20000, "status_message": "Ok.", "tasks": [
            {"id": "x", "status_code": 20100, "status_message": "Task Created.", "cost": 0.1}]}
        self.d.fault("body", call="task_post", body=json.dumps(body).encode())
        con = self.connect()
        con.execute(MANY % 2)
        self.assertEqual(self.recorded(con, "id, state, status_message, cost"), [
            ("x", "pending", "Task Created.", 0.1), (None, "unreachable", UNANSWERED, None)])

    def test_what_an_entry_says(self):
        """Certain is a task with an id and 2xxxx, or with a code that says no."""
        task = '{"id": "03020115-1535-0066-00aa-000000000009", "status_code": %s, "status_message": "m"}'
        for entry, state in ((task % 20100, "pending"), (task % 20000, "pending"), (task % 50000, "unreachable"),
                             ("{}", "unreachable"), (task % 40501, None), (task % 40202, None),
                             ('{"status_code": 20100}', "unreachable")):
            for top in (20000, 20100, 40000):
                self.setUp()
                con = self.connect()
                body = '{"status_code": %d, "status_message": "top", "tasks": [%s]}' % (top, entry)
                self.d.fault("body", call="task_post", body=body.encode())
                if state and (top == 20000 or state == "pending"):
                    con.execute(INSERT, ("a",))
                    self.assertEqual(self.recorded(con), [("a", state)], body)
                else:
                    self.assertIn("nothing was posted", self.error(con, INSERT, "a"), body)
                    self.assertEqual(self.recorded(con), [], body)

    def test_no_connection_at_the_second_call(self):
        """The API goes away after the first call: what was not sent is said to be not sent."""
        port = self.d.base_url.rsplit(":", 1)[1]
        relay = Relay(int(port), connections=1)
        self.addCleanup(relay.close)
        con = self.connect(max_post_tasks=1000, retries=0, base_url=relay.base_url)
        self.d.fault("close", call="task_post", bytes=10 ** 6)  # The connection ends with the first answer
        con.execute(MANY % 250)
        self.assertEqual(self.d.counts()["posts"], 1)
        self.assertEqual(con.execute("SELECT state, status_message LIKE 'not sent, since: %', count(*) FROM"
                                     " naver_serp_post GROUP BY 1, 2 ORDER BY 1").fetchall(),
                         [("pending", 0, 100), ("unreachable", 1, 150)])

    def test_rate_limit_creates_nothing(self):
        self.d.fault("status", call="task_post", status=429)
        con = self.connect()
        self.assertIn("nothing was posted: 40202", self.error(con, INSERT, "a"))
        self.assertEqual(self.d.counts()["posts"], 1)
        self.assertEqual(self.recorded(con), [])

    # ---- No answer

    def assertUnanswered(self, con):
        self.assertEqual(self.d.counts()["posts"], 1)
        self.assertEqual(self.recorded(con, "keyword, id, state, status_message, cost"),
                         [("a", None, "unreachable", UNANSWERED, None)])
        self.assertTrue(support.value(con, "SELECT posted_at FROM naver_serp_post"))

    def test_no_answer(self):
        for fault in ("reset", "close", "truncate"):
            for process in (True, False):
                with self.subTest(fault, process=process):
                    self.setUp()
                    self.d.fault(fault, call="task_post", process=process)
                    con = self.connect()
                    con.execute(INSERT, ("a",))
                    self.assertUnanswered(con)

    def test_gateway(self):
        for status in (500, 502, 504):
            with self.subTest(status):
                self.setUp()
                self.d.fault("status", call="task_post", status=status)
                con = self.connect()
                con.execute(INSERT, ("a",))
                self.assertEqual(self.d.counts()["posts"], 1)
                self.assertEqual(self.recorded(con, "keyword, state, status_message"),
                                 [("a", "unreachable", UNANSWERED)])

    def test_timeout(self):
        self.d.fault("stall", call="task_post")
        con = self.connect(timeout_ms=1000)
        con.execute(INSERT, ("a",))
        self.assertUnanswered(con)

    def test_no_answer_at_the_second_call(self):
        self.d.fault("reset", call="task_post", after=1)
        con = self.connect(max_post_tasks=1000)
        con.execute(MANY % 250)
        self.assertEqual(self.d.counts()["posts"], 2)
        self.assertEqual(con.execute("SELECT state, status_message LIKE 'not sent%', count(*) FROM naver_serp_post"
                                     " GROUP BY 1, 2 ORDER BY 1, 2").fetchall(),
                         [("pending", 0, 100), ("unreachable", 0, 100), ("unreachable", 1, 50)])

    def test_no_connection(self):
        con = self.connect(base_url="https://127.0.0.1:9")
        con.execute("CREATE TABLE t(x)")
        text = self.error(con, INSERT, "a")
        self.assertRegex(text, r"^naver_serp_post: nothing was posted: .*\(unreachable\): try again later$")
        self.assertNothing(con)

    def test_wrong_password_at_the_second_call(self):
        con = self.connect(max_post_tasks=1000)
        self.d.fault("status", call="task_post", status=401, after=1, times=None)
        con.execute(MANY % 150)
        self.assertEqual(con.execute("SELECT state, status_code, count(*) FROM naver_serp_post GROUP BY 1, 2"
                                     " ORDER BY 1").fetchall(), [("pending", 20100, 100), ("refused", 40100, 50)])

    # ---- Locks

    def pair(self, journal="delete"):
        path = self.file()
        con = self.connect(path)
        con.execute("PRAGMA journal_mode = " + journal)
        con.execute("PRAGMA busy_timeout = 50")
        con.execute("CREATE TABLE t(x)")
        con.execute("INSERT INTO t VALUES (1)")
        other = support.connect(path)
        self.addCleanup(other.close)
        return con, other

    def test_writer_elsewhere(self):
        for journal in ("delete", "wal"):
            with self.subTest(journal):
                con, other = self.pair(journal)
                other.execute("BEGIN IMMEDIATE")
                self.assertIn("locked", self.error(con, INSERT, "a"))
                con.execute("BEGIN")
                self.assertIn("locked", self.error(con, INSERT, "a"))
                con.execute("COMMIT")
                other.execute("ROLLBACK")
                self.assertNothing(con)

    def test_reader_elsewhere(self):
        con, other = self.pair()
        for first in ("a", "b"):  # Without and with the table of posts
            self.setUp()
            reader = other.execute("SELECT x FROM t UNION ALL SELECT 2")
            reader.fetchone()
            self.assertEqual(self.error(con, INSERT, "no"),
                             "naver_serp_post: nothing was posted: database is locked")
            self.assertNothing()
            reader.close()
            con.execute(INSERT, (first,))
            self.assertPosted(first)
        self.assertEqual(self.recorded(con, "keyword"), ["a", "b"])

    def test_reader_in_wal_is_no_obstacle(self):
        con, other = self.pair("wal")
        reader = other.execute("SELECT x FROM t UNION ALL SELECT 2")
        reader.fetchone()
        con.execute(INSERT, ("a",))
        self.assertPosted("a")

    def test_commit_again_after_busy(self):
        con, other = self.pair()
        con.execute("BEGIN")
        con.execute(INSERT, ("a",))
        con.execute("SAVEPOINT s")
        con.execute(INSERT, ("b",))
        reader = other.execute("SELECT x FROM t UNION ALL SELECT 2")
        reader.fetchone()
        for _ in range(2):
            self.assertIn("locked", self.error(con, "COMMIT"))
            self.assertTrue(con.in_transaction)
            self.assertNothing(con)
        reader.close()
        con.execute("ROLLBACK TO s")
        con.execute(INSERT, ("c",))
        con.execute("COMMIT")
        self.assertPosted("a", "c", calls=1)
        self.assertEqual(self.recorded(con), [("a", "pending"), ("c", "pending")])

    LATE = "can be locked only at the end of the commit, which could fail after the posting"

    def test_a_lock_that_only_the_end_of_the_commit_takes(self):
        for begin, why in (("BEGIN IMMEDIATE", "database o "), ("BEGIN; DELETE FROM o.z WHERE x = 5", "database o "),
                           ("PRAGMA cache_spill = 0; BEGIN", "database main ")):
            self.setUp()
            con, other = self.pair()
            con.execute("ATTACH ? AS o", (self.file(),))
            con.execute("CREATE TABLE o.z(x)")
            for statement in begin.split("; "):
                con.execute(statement)
            con.execute(INSERT, ("a",))
            text = self.error(con, "COMMIT")
            self.assertIn("naver_serp_post: nothing was posted: " + why + self.LATE, text)
            self.assertTrue(con.in_transaction)
            con.execute("ROLLBACK")
            self.assertNothing(con)
            con.execute("PRAGMA cache_spill = 1")
            con.execute("BEGIN")
            con.execute("INSERT INTO o.z VALUES (1)")
            con.execute(INSERT, ("a",))
            con.execute("COMMIT")
            self.assertPosted("a")

    def test_what_forbids_the_record_costs_nothing(self):
        for guard in ("CREATE UNIQUE INDEX u ON naver_serp_posts(keyword) WHERE state = 'pending'",
                      "CREATE TRIGGER g BEFORE UPDATE ON naver_serp_posts BEGIN SELECT RAISE(ABORT, 'no'); END",
                      "CREATE TRIGGER g BEFORE UPDATE ON naver_serp_posts BEGIN SELECT RAISE(IGNORE); END",
                      "CREATE TRIGGER g BEFORE INSERT ON naver_serp_posts BEGIN SELECT RAISE(IGNORE); END"):
            self.setUp()
            con = self.connect()
            con.execute(INSERT, ("first",))
            con.execute(guard)
            self.assertIn("nothing was posted", self.error(
                con, "INSERT INTO naver_serp_post(keyword) VALUES ('b'), ('first')"), guard)
            self.assertPosted("first")
            self.assertEqual(self.recorded(con), [("first", "pending")])

    def test_a_unique_index_on_the_id_is_no_obstacle(self):
        con = self.connect()
        con.execute(INSERT, ("first",))
        con.execute("CREATE UNIQUE INDEX u ON naver_serp_posts(id)")
        con.execute(MANY % 30)
        self.assertEqual(len(self.recorded(con)), 31)

    def test_constraints_are_checked_before(self):
        con = self.connect()
        con.execute("PRAGMA foreign_keys = 1")
        con.execute("CREATE TABLE p(x PRIMARY KEY)")
        con.execute("CREATE TABLE c(x REFERENCES p DEFERRABLE INITIALLY DEFERRED)")
        con.execute("BEGIN")
        con.execute(INSERT, ("a",))
        con.execute("INSERT INTO c VALUES (1)")
        self.assertIn("FOREIGN KEY", self.error(con, "COMMIT"))
        self.assertNothing()
        con.execute("DELETE FROM c")
        con.execute("COMMIT")
        self.assertPosted("a")

    def test_waits_for_the_busy_timeout(self):
        con, other = self.pair()
        con.execute("PRAGMA busy_timeout = 10000")
        reader = other.execute("SELECT x FROM t UNION ALL SELECT 2")
        reader.fetchone()
        con.execute("BEGIN")
        con.execute(INSERT, ("a",))
        code = ("import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1]); r = c.execute("
                "'SELECT x FROM t UNION ALL SELECT 2'); r.fetchone(); print('ok', flush=True); time.sleep(0.5)")
        path = support.value(con, "SELECT file FROM pragma_database_list")
        child = subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE)
        self.addCleanup(child.stdout.close)
        child.stdout.readline()
        reader.close()
        con.execute("COMMIT")
        child.wait()
        self.assertPosted("a")

    def test_read_only(self):
        path = self.file()
        support.connect(path).execute("CREATE TABLE t(x)").connection.close()
        con = self.connect(f"{path}")
        con.execute("PRAGMA query_only = 1")
        self.assertIn("readonly", self.error(con, INSERT, "a"))
        con.close()
        con = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        self.addCleanup(con.close)
        con.enable_load_extension(True)
        con.load_extension(support.EXTENSION)
        self.assertIn("readonly", self.error(con, INSERT, "a"))
        self.assertNothing(con)

    def test_full(self):
        con = self.connect(self.file(), max_post_tasks=10000)
        con.execute("BEGIN")
        con.execute(MANY % 1)
        con.execute("ROLLBACK")
        con.execute("PRAGMA max_page_count = 20")
        text = self.error(con, MANY % 1000)
        self.assertIn("nothing was posted", text)
        self.assertIn("full", text)
        self.assertNothing(con)

    def interrupted(self, con, sql):
        """Runs a statement that is interrupted while the API takes its time."""
        thread = self.interrupter(con)
        con.execute(sql)
        thread.join()

    def interrupter(self, con):
        """Interrupts once the API has a call, however long the way there takes."""
        def watch():
            while not self.d.counts()["in_flight"]:
                time.sleep(0.01)
            con.interrupt()
        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        return thread

    def test_interrupt_while_posting(self):
        self.d.fault("latency", call="task_post", seconds=1)
        path = self.file()
        con = self.connect(path, max_post_tasks=1000)
        self.interrupted(con, MANY % 150)
        self.assertEqual(self.d.counts()["posts"], 1)
        rows = con.execute("SELECT keyword, id FROM naver_serp_post WHERE state = 'pending'").fetchall()
        self.assertEqual(rows, [(p["data"]["keyword"], p["id"]) for p in self.d.posted()[self.before:]])
        self.assertEqual(con.execute("SELECT count(*), state, status_message FROM naver_serp_posts WHERE post > 100"
                                     " GROUP BY 2, 3").fetchall(), [(50, "unreachable", "not sent, since: interrupted")])
        con.close()
        con = self.connect(path)
        self.assertEqual(self.recorded(con, "id")[:100], [i for _, i in rows])

    def test_a_late_record_takes_no_other_row(self):
        self.d.fault("latency", call="task_post", seconds=1)
        con = self.connect()
        self.interrupted(con, "INSERT INTO naver_serp_post(keyword) VALUES ('first')")
        con.execute("DELETE FROM naver_serp_posts")
        con.execute(INSERT, ("second",))
        self.assertEqual(self.recorded(con, "keyword, id"), [("second", self.d.posted()[-1]["id"])])

    def test_interrupt_is_made_good_at_the_close(self):
        self.d.fault("latency", call="task_post", seconds=1)
        path = self.file()
        con = self.connect(path)
        self.interrupted(con, "INSERT INTO naver_serp_post(keyword) VALUES ('a')")
        con.close()
        con = sqlite3.connect(path)
        self.addCleanup(con.close)
        self.assertEqual(con.execute("SELECT id, state, status_message, length(posted_at) FROM naver_serp_posts").fetchall(),
                         [(self.d.posted()[-1]["id"], "pending", "Task Created.", 26)])

    def test_interrupt_of_a_post_that_fails(self):
        self.d.fault("latency", call="task_post", seconds=1)
        self.d.fault("status", call="task_post", status=402)
        con = self.connect(self.file())
        self.interrupter(con)
        self.assertIn(PAYMENT, self.error(con, INSERT, "a"))
        self.assertEqual(self.recorded(con), [])

    # ---- Fields

    def test_encoding(self):
        con = self.connect()
        for keyword in ("c++ 100%", "%41", "한 글 😀", "a\"b\\c\n", "{}", "[1]", "null", "'"):
            with self.subTest(keyword):
                con.execute(INSERT, (keyword,))
                sent = self.posted()[-1]["keyword"]
                self.assertEqual(sent, keyword.replace("%", "%25").replace("+", "%2B"))
                self.assertEqual(self.recorded(con, "keyword")[-1], keyword)

    def test_all_fields(self):
        con = self.connect()
        con.execute("INSERT INTO naver_serp_post(keyword, priority, depth, max_crawl_pages, device, os, se_domain,"
                    " search_param, url, tag, options) VALUES ('k', '2', 30.0, 3, 'mobile', 'ios', 'search.naver.com',"
                    " 'a=1', 'https://x/?a=%41+b', '팀', ?)",
                    ('{"stop_crawl_on_match": [{"match_value": "x", "match_type": "domain"}]}',))
        self.assertEqual(self.posted(), [{
            "keyword": "k", "priority": 2, "depth": 30, "max_crawl_pages": 3, "device": "mobile", "os": "ios",
            "se_domain": "search.naver.com", "search_param": "a=1", "url": "https://x/?a=%41+b", "tag": "팀",
            "stop_crawl_on_match": [{"match_value": "x", "match_type": "domain"}]}])
        self.assertEqual(self.recorded(con, "priority, depth, typeof(priority), typeof(depth), state,"
                                       " json_extract(options, '$.stop_crawl_on_match[0].match_type')"),
                         [(2, 30, "integer", "integer", "pending", "domain")])

    def test_only_what_is_given_is_sent(self):
        con = self.connect()
        con.execute("INSERT INTO naver_serp_post(keyword, tag, options) VALUES (2024, 7, '{}')")
        self.assertEqual(self.posted(), [{"keyword": "2024", "tag": "7"}])

    def test_longest(self):
        con = self.connect()
        con.execute("INSERT INTO naver_serp_post(keyword, tag) VALUES (?, ?)", ("가" * 700, "나" * 255))
        con.execute(INSERT, ("+" * 700,))
        self.assertEqual([s for _, s in self.recorded(con)], ["pending"] * 2)

    def test_bad_fields(self):
        con = self.connect()
        cases = [
            ("keyword", None, "text of 1 to 700 characters, not NULL"), ("keyword", "", "text of 1 to 700 characters"),
            ("keyword", " \t\n ", "text of 1 to 700 characters, not ' "),
            ("keyword", "가" * 701, "text of 1 to 700 characters"), ("keyword", b"x", "not a BLOB"),
            ("keyword", "a\0b", "text of 1"), ("options", '{"x": 1}\0', "a JSON object"), ("priority", 0, "1 or 2, not '0'"), ("priority", 3, "1 or 2"),
            ("priority", "high", "1 or 2, not 'high'"), ("priority", 1.5, "1 or 2"), ("depth", 0, "from 1 to 700"),
            ("depth", 701, "from 1 to 700"), ("depth", b"1", "not a BLOB"), ("depth", 2**62, "from 1 to 700"),
            ("max_crawl_pages", 101, "an integer from 1 to 100"), ("device", "tablet", "'desktop' or 'mobile'"),
            ("device", "Mobile", "'desktop' or 'mobile'"), ("os", "android", "'windows' or 'macos'"),
            ("os", "linux", "'windows' or 'macos'"), ("tag", "x" * 256, "at most 255 characters"),
            ("url", b"x", "text"), ("se_domain", "", "text"), ("search_param", b"", "text"),
            ("options", "[]", "a JSON object, not '[]'"), ("options", "{", "a JSON object"), ("options", 1, "a JSON"),
            ("options", b"{}", "a JSON"), ("options", '{"depth": 700}', "of other fields"),
            ("id", "x", "left out"), ("state", "pending", "left out"), ("status_code", 1, "left out"),
            ("status_message", "", "left out"), ("cost", 0, "left out"), ("posted_at", "", "left out"),
        ]
        con.execute("BEGIN")
        for column, value, allowed in cases:
            with self.subTest(column=column, value=value):
                names = ("keyword",) if column == "keyword" else ("keyword", column)
                values = (value,) if column == "keyword" else ("케이", value)
                with self.assertRaises(sqlite3.IntegrityError) as caught:
                    con.execute("INSERT INTO naver_serp_post(%s) VALUES (%s)"
                                % (", ".join(names), ", ".join("?" * len(names))), values)
                text = str(caught.exception)
                self.assertTrue(text.startswith("naver_serp_post: %s must be " % column), text)
                self.assertIn(allowed, text)
                if column != "keyword":
                    self.assertIn("(keyword '케이')", text)
        for device, os_, allowed in (("mobile", "windows", "'android' or 'ios'"), ("desktop", "ios", "'windows' or")):
            text = self.error(con, "INSERT INTO naver_serp_post(keyword, device, os) VALUES ('k', ?, ?)", device, os_)
            self.assertIn(allowed, text)
        self.assertIn("rowid", self.error(con, "INSERT INTO naver_serp_post(rowid, keyword) VALUES (1, 'k')"))
        con.execute("COMMIT")
        self.assertNothing(con)

    def test_what_is_not_utf8_is_refused(self):
        con = self.connect()
        for text in ("x'ff41'", "x'c080'", "x'eda080'", "x'ea'", "x'41eab0'", "x'f8888080'"):
            for column, value in (("keyword", f"CAST({text} AS TEXT)"), ("tag", f"CAST({text} AS TEXT)"),
                                  ("options", f"'{{\"x\":\"' || CAST({text} AS TEXT) || '\"}}'")):
                names = "keyword" if column == "keyword" else "keyword, " + column
                value = value if column == "keyword" else "'k', " + value
                self.assertIn("not bytes that are not UTF-8",
                              self.error(con, f"INSERT INTO naver_serp_post({names}) VALUES ({value})"))
        con.execute(INSERT, ("가é😀",))
        self.assertPosted("가é😀")

    def test_update_and_delete(self):
        con = self.connect()
        con.execute(INSERT, ("a",))
        for sql, name in (("UPDATE naver_serp_post SET tag = 'x'", "UPDATE"), ("DELETE FROM naver_serp_post", "DELETE")):
            self.assertEqual(self.error(con, sql), f"naver_serp_post: {name} is not possible: a task that was posted stays"
                             " posted; its record is in the table naver_serp_posts")
        con.execute("UPDATE naver_serp_posts SET tag = 'x'")
        self.assertEqual(self.recorded(con, "tag"), ["x"])
        self.assertPosted("a")

    def test_not_from_triggers_and_views(self):
        con = self.connect()
        con.execute("CREATE TABLE t(x)")
        con.execute("CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO naver_serp_post(keyword) VALUES (new.x); END")
        self.assertIn("unsafe use", self.error(con, "INSERT INTO t VALUES ('a')"))
        self.assertNothing()

    # ---- The table

    def test_select_without_a_table(self):
        con = self.connect()
        self.assertEqual(self.recorded(con), [])
        self.assertEqual(support.value(con, "SELECT count(*) FROM sqlite_schema"), 0)

    def test_name_taken(self):
        con = self.connect()
        con.execute("CREATE TABLE naver_serp_posts(x)")
        self.assertIn("naver_serp_posts is not the one of this version", self.error(con, INSERT, "a"))
        con.execute("SELECT * FROM naver_serp").fetchall()
        self.assertNothing()

    def test_store_made_by_hand_and_chosen_schema(self):
        con = self.connect()
        con.executescript((support.ROOT / "sql" / "store.sql").read_text(encoding="utf-8"))
        con.execute(INSERT, ("a",))
        con.execute("ATTACH ? AS other", (self.file(),))
        self.configure(con, schema="other")
        con.execute("BEGIN")
        con.execute(INSERT, ("b",))
        self.configure(con, schema="main")
        con.execute("COMMIT")
        self.assertEqual([r[0] for r in con.execute("SELECT keyword FROM main.naver_serp_posts")], ["a"])
        self.assertEqual([r[0] for r in con.execute("SELECT keyword FROM other.naver_serp_posts")], ["b"])

    def test_utf16(self):
        con = self.connect()
        con.execute("PRAGMA encoding = 'UTF-16'")
        con.execute(INSERT, ("캠핑+",))
        self.assertPosted("캠핑%2B")
        self.assertEqual(self.recorded(con), [("캠핑+", "pending")])

    def test_the_loop(self):
        self.d.set(queue_seconds=1)
        con = self.connect(self.file(), wait_seconds=30)
        con.execute("INSERT INTO naver_serp_post(keyword, depth) VALUES ('캠핑 의자', 5), ('테이블', 5)")
        rows = con.execute("SELECT p.keyword, count(*) FROM naver_serp s JOIN naver_serp_post p ON p.id = s.id"
                           " WHERE s.id IN (SELECT id FROM naver_serp_post) GROUP BY 1 ORDER BY 1").fetchall()
        self.assertEqual(rows, [("캠핑 의자", 5), ("테이블", 5)])
        self.assertEqual(support.value(con, "SELECT count(*) FROM naver_serp WHERE id IN"
                                       " (SELECT id FROM naver_serp_post)"), 10)

    def test_post_while_a_query_streams(self):
        ids = self.ready(40)
        self.d.set(latency=0.05)
        con = self.connect(self.file(), concurrency=4)
        cursor = con.execute("SELECT id FROM naver_serp WHERE id IN (SELECT value FROM json_each(?))",
                             (json.dumps(ids),))
        seen = {cursor.fetchone()[0]}
        con.execute("BEGIN")
        con.execute(INSERT, ("a",))
        con.execute("COMMIT")
        self.assertPosted("a")
        seen |= {r[0] for r in cursor}
        self.assertEqual(seen, set(ids))
        self.assertEqual(self.recorded(con), [("a", "pending")])
        self.assertEqual(support.value(con, "SELECT count(*) FROM naver_serp_tasks"), 40)


if __name__ == "__main__":
    unittest.main()
