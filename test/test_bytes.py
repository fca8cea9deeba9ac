"""Bytes that are cut or changed: every answer of data/, and the kinds of JSON in test/corpus/json.

Whatever comes of a body is an error that says why, or rows that are valid; and nothing of it
stays behind. Small files are tried at every byte, larger ones in steps.
"""
import math
import sqlite3
import unittest

import support
from support import connect, data_files, insert_body, read_bytes, stored, value

OTHERS = b'{}[]",:\\0.-eun \n\x00\x1f\x7f\x80\xff'
CUTS = 2500     # of a file at most, evenly spread
CHANGES = 1200  # of a file at most
KINDS = sorted((support.ROOT / "test" / "corpus" / "json").glob("*.json"))


class Case(unittest.TestCase):
    def setUp(self):
        self.con = connect()
        self.addCleanup(self.con.close)
        self.con.execute("SELECT naver_serp_config('mode', 'cache')")
        self.con.executescript((support.ROOT / "sql" / "store.sql").read_text(encoding="utf-8"))
        self.queries = []
        for table in ("naver_serp_task", "naver_serp"):
            names = [name for name, in self.con.execute(
                "SELECT name FROM pragma_table_info(?) WHERE type = ''", (table,))]
            self.assertGreater(len(names), 5)
            self.queries.append(f"SELECT json_valid(json_array({', '.join(names)})), * FROM {table}(?1)")

    def read(self, task_id, where):
        """The state of a stored task. Its rows are read, and what they hold as JSON is valid."""
        state = value(self.con, "SELECT state FROM naver_serp_task(?)", task_id)
        for sql in self.queries if state in ("ready", "empty") else self.queries[:1]:
            found = self.con.execute(sql, (task_id,)).fetchall()
            self.assertTrue(found or state == "empty", where)
            for valid, *row in found:
                # SQLite writes an infinite number as Inf, which it does not take for JSON.
                self.assertTrue(valid or math.inf in row or -math.inf in row, (where, row))
        return state

    def taken(self, body, where):
        """True if the import takes the body and its rows are valid; else it says why not."""
        try:
            task_id = value(self.con, "SELECT naver_serp_import(?)", body)
        except sqlite3.OperationalError as error:
            self.reason = str(error)
            self.assertRegex(self.reason, r"^naver_serp_import: \S.{9}", where)
            if self.con.total_changes != self.changes:
                self.assertEqual(stored(self.con), 0, where)
            return False
        self.read(task_id, where)
        self.con.execute("DELETE FROM naver_serp_cache")
        self.assertEqual(stored(self.con), 0, where)
        self.changes = self.con.total_changes
        return True


class TestData(Case):
    def places(self, body, most):
        return range(0, len(body), max(1, len(body) // most))

    def test_cut_after_every_byte(self):
        """Refused, and the place that is told is where the cut is."""
        tried = self.changes = 0
        for name in data_files():
            body = read_bytes(name).rstrip()
            for n in self.places(body, CUTS):
                self.assertFalse(self.taken(body[:n], (name, n)))
                self.assertRegex(self.reason, rf" at byte {n}\b" if n else "empty body", name)
                tried += 1
        self.assertGreater(tried, 30000)

    def test_cut_by_hand(self):
        for name in data_files():
            body = read_bytes(name).rstrip()
            for n in self.places(body, 20):
                insert_body(self.con, f"{name} {n}", body[:n])
        unlike = self.con.execute(
            "SELECT id, status_message FROM naver_serp_task WHERE state <> 'unreachable' OR"
            " status_message NOT GLOB CASE WHEN id GLOB '* 0' THEN 'empty body' ELSE"
            " '* at byte ' || substr(id, instr(id, ' ') + 1) || ')' END").fetchall()
        self.assertEqual(unlike, [])
        self.assertEqual(value(self.con, "SELECT count(*) FROM naver_serp_items"), 0)
        self.assertGreater(value(self.con, "SELECT count(*) FROM naver_serp_tasks"), 1000)

    def test_every_byte_replaced(self):
        tried = taken = self.changes = 0
        for name in data_files():
            body = bytearray(read_bytes(name))
            for k, n in enumerate(self.places(body, CHANGES)):
                for other in (OTHERS[k % len(OTHERS)], OTHERS[(k * 5 + 3) % len(OTHERS)], body[n] ^ 0x20):
                    was, body[n] = body[n], other
                    taken += self.taken(bytes(body), (name, n, other))
                    tried += 1
                    body[n] = was
        self.assertGreater(tried, 90000)
        self.assertGreater(taken, tried // 10)
        self.assertLess(taken, tried * 9 // 10)


class TestKinds(Case):
    """The kinds of the public suite of JSON tests, each as the value of a member of an answer: y_ is
    JSON, n_ is not."""

    def test_good_ones_give_rows_and_bad_ones_say_where(self):
        self.assertGreater(len(KINDS), 150)
        for path in KINDS:
            body = path.read_bytes()
            for way in ("import", "blob", "text"):
                with self.subTest(kind=path.name, way=way):
                    self.changes = -1
                    self.con.execute("DELETE FROM naver_serp_cache")
                    if way == "import":
                        self.assertEqual(self.taken(body, path.name), path.name[0] == "y")
                        said = self.reason if path.name[0] == "n" else ""
                    else:
                        insert_body(self.con, "k", b"")
                        text = "?" if way == "blob" else "CAST(? AS TEXT)"
                        self.con.execute(f"UPDATE naver_serp_cache SET body = {text}", (body,))
                        state = self.read("k", path.name)
                        self.assertEqual(state, "ready" if path.name[0] == "y" else "unreachable")
                        said = value(self.con, "SELECT status_message FROM naver_serp_task('k')")
                    if path.name[0] == "n":
                        self.assertRegex(said, r"not JSON \(.+ at byte \d+\)")


if __name__ == "__main__":
    unittest.main()
