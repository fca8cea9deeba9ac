"""naver_serp_ready: the tasks that wait to be collected, in one call of tasks_ready."""
import contextlib
import json
import sqlite3
import unittest

import support
import test_https
from test_https import REFUSED_HINT

COLUMNS = ["id", "se", "se_type", "date_posted", "tag", "endpoint_regular", "endpoint_advanced", "endpoint_html"]


def listing(*results):
    """The body of a tasks_ready answer with a wrapper task for each list of results."""
    return json.dumps({"version": "0.1", "status_code": 20000, "status_message": "Ok.", "tasks": [
        {"id": "03020115-1535-0066-00aa-00000000000%d" % n, "status_code": 20000, "status_message": "Ok.",
         "result": result} for n, result in enumerate(results)]})


class Ready(test_https.Online):

    def setUp(self):
        super().setUp()
        self.d.set(ready_per_minute=1000)

    def body(self, text):
        self.d.fault("body", call="tasks_ready", body=text.encode())

    def test_rows(self):
        ids = self.ready(7)
        con = self.connect()
        rows = support.rows(con, "SELECT rowid, * FROM naver_serp_ready")
        self.assertEqual(list(rows[0]), ["rowid"] + COLUMNS)
        mine = [r for r in rows if r["id"] in ids]
        self.assertEqual([r["id"] for r in mine], ids)
        self.assertEqual([r["rowid"] for r in rows], list(range(1, len(rows) + 1)))
        self.assertEqual({(r["se"], r["se_type"]) for r in mine}, {("naver", "organic")})
        for row in mine:
            self.assertTrue(row["endpoint_advanced"].endswith("task_get/advanced/" + row["id"]))
        self.assertEqual(self.d.counts()["calls"], {"GET tasks_ready": 1})
        self.assertEqual(support.stored(con), 0)

    def test_what_the_call_itself_says(self):
        """A limit or a refusal in the entry of the call is no empty list."""
        for code in (40202, 40200, 40000, 50000):
            self.body('{"status_code": 20000, "tasks": [{"status_code": %d, "status_message": "No.", "result": null}]}' % code)
            self.assertIn("naver_serp_ready: %d No (" % code, self.error(self.connect(), "SELECT * FROM naver_serp_ready"))

    def test_elements_that_are_no_objects(self):
        self.body(listing(5, [1, None, "x", {"id": "a"}, []], None, {"id": "b"}, [{}]))
        self.assertEqual(self.connect().execute("SELECT id FROM naver_serp_ready").fetchall(), [("a",), ("b",), (None,)])

    def test_collected_tasks_go(self):
        ids = self.ready(3)
        con = self.connect()
        got = con.execute("SELECT count(DISTINCT id) FROM naver_serp WHERE id IN"
                          " (SELECT id FROM naver_serp_ready WHERE id IN (?, ?, ?))", ids).fetchone()
        self.assertEqual(got, (3,))
        self.assertFalse(set(ids) & {i for i, in con.execute("SELECT id FROM naver_serp_ready")})

    def test_null_absent_and_odd_values(self):
        self.body(listing([{"id": "a", "tag": None}, {"id": 7, "tag": 1.5, "se": {"x": [1]}, "more": 1}], None,
                          [{"tag": "캠핑"}]))
        con = self.connect()
        rows = con.execute("SELECT id, se, tag, endpoint_html, typeof(id), json_array(se) FROM naver_serp_ready")
        self.assertEqual(rows.fetchall(), [
            ("a", None, None, None, "text", "[null]"), ("7", '{"x":[1]}', "1.5", None, "text", '[{"x":[1]}]'),
            (None, None, "캠핑", None, "null", "[null]")])

    def test_empty(self):
        con = self.connect()
        for body in (listing(), listing(None), listing([]), listing(None, []),
                     '{"status_code":20000,"status_message":"Ok.","tasks":null}'):
            with self.subTest(body):
                self.body(body)
                self.assertEqual(con.execute("SELECT * FROM naver_serp_ready").fetchall(), [])

    def test_rate_limit(self):
        self.d.set(ready_per_minute=1)
        con = self.connect(retries=2)
        with contextlib.suppress(sqlite3.OperationalError):  # Other tests may have used it up
            con.execute("SELECT * FROM naver_serp_ready").fetchall()
        self.d.reset_counts()
        self.assertEqual(
            self.error(con, "SELECT * FROM naver_serp_ready"),
            "naver_serp_ready: 40202 The rates limit per minute has been exceeded (unreachable): try again later")
        self.assertEqual(self.requests(), 3)

    def test_wrong_password(self):
        self.environ(DATAFORSEO_PASSWORD="wrong")
        con = self.connect()
        text = self.error(con, "SELECT * FROM naver_serp_ready")
        self.assertEqual(text, "naver_serp_ready: 40100 You are not Authorized to Access this Resource (refused): "
                         + REFUSED_HINT)
        self.assertEqual(self.requests(), 1)

    def test_no_credentials(self):
        self.environ(DATAFORSEO_PASSWORD=None)
        con = self.connect()
        self.assertIn("no credentials (refused)", self.error(con, "SELECT * FROM naver_serp_ready"))
        self.assertEqual(self.requests(), 0)

    def test_retried(self):
        self.d.fault("reset", call="tasks_ready", times=2)
        con = self.connect(retries=2)
        con.execute("SELECT * FROM naver_serp_ready").fetchall()
        self.d.fault("reset", call="tasks_ready", times=None)
        self.assertRegex(self.error(con, "SELECT * FROM naver_serp_ready"),
                         r"^naver_serp_ready: .* \(unreachable\): try again later$")

    def test_one_call_in_a_join(self):
        self.ready(2)
        con = self.connect()
        con.execute("CREATE TABLE t(x); ")
        con.execute("INSERT INTO t VALUES (1), (2), (3)")
        n = support.value(con, "SELECT count(*) FROM naver_serp_ready")
        self.d.reset_counts()
        self.assertEqual(support.value(con, "SELECT count(*) FROM t CROSS JOIN naver_serp_ready"), 3 * n)
        self.assertEqual(self.requests(), 1)

    def test_read_only_and_not_from_views(self):
        con = self.connect()
        self.assertIn("may not be modified", self.error(con, "DELETE FROM naver_serp_ready"))
        con.execute("CREATE VIEW v AS SELECT * FROM naver_serp_ready")
        self.assertIn("unsafe use", self.error(con, "SELECT * FROM v"))
        con.execute("EXPLAIN SELECT * FROM naver_serp_ready").fetchall()
        self.assertEqual(self.requests(), 0)


if __name__ == "__main__":
    unittest.main()
