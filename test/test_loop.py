"""The loop of sql/post.sql and sql/collect.sql in the shell, and the progress line on a terminal."""
import contextlib
import json
import os
import pty
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

import support
from double import Double


def shell(script, path, environment, stderr=subprocess.PIPE):
    """A stock shell reading a script, in the project's folder."""
    return subprocess.Popen([support.SHELL, "-batch", "-init", os.devnull, path], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=support.ROOT,
                            env=dict(os.environ, **environment))


class Loop(unittest.TestCase):
    """sql/post.sql and sql/collect.sql, as a person or cron runs them."""

    KEYWORDS = ["캠핑 의자", "c++ 책", "100% 면"]

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "serp.db")
        self.double = Double().start()
        self.addCleanup(self.double.stop)

    def script(self, name, before="", status=0, **settings):
        """What a script prints, run after other commands."""
        environment = {**self.double.env(), **{"NAVER_SERP_" + key.upper(): str(value) for key, value in settings.items()}}
        process = shell(None, self.path, environment)
        out, err = process.communicate(input=before + "\n.read sql/%s.sql\n" % name, timeout=60)
        self.assertEqual(process.returncode, status, err)
        self.assertEqual(err == "", status == 0, err)
        return out + err

    def rows(self, sql):
        con = sqlite3.connect(self.path)
        try:
            return con.execute(sql).fetchall()
        finally:
            con.close()

    def keywords(self, *keywords):
        self.script("post")  # Makes the table
        con = sqlite3.connect(self.path)
        con.executemany("INSERT INTO my_keywords(keyword, tag) VALUES (?, 'team')", [(k,) for k in keywords])
        con.commit()
        con.close()

    def test_post_collect(self):
        self.double.set(queue_seconds=1)
        self.keywords(*self.KEYWORDS)
        self.assertEqual(self.double.counts()["posts"], 0)
        out = self.script("post")
        self.assertIn("pending │ 3", out)
        counts = self.double.counts()
        self.assertEqual((counts["posts"], counts["created"]), (1, 3))
        self.assertEqual(sorted(task["data"]["keyword"] for task in self.double.posted()),
                         sorted(["캠핑 의자", "c%2B%2B 책", "100%25 면"]))
        self.assertIn("3     │ 0        │ 3       │ 0", self.script("collect"))
        self.assertIn("3     │ 3        │ 0       │ 0", self.script("collect", wait_seconds=30))
        self.assertEqual(self.rows("SELECT k.keyword, t.state, t.tag, t.device FROM my_keywords k"
                                   " JOIN naver_serp_tasks t ON t.keyword = k.keyword ORDER BY 1"),
                         [(k, "ready", "team", "desktop") for k in sorted(self.KEYWORDS)])
        self.double.reset_counts()
        self.assertIn("3     │ 3        │ 0       │ 0", self.script("collect"))
        self.assertNotIn("GET task_get", self.double.counts()["calls"], "what is stored is not asked for")

    def test_a_second_run_posts_only_what_is_missing(self):
        self.keywords(*self.KEYWORDS)
        self.script("post")
        con = sqlite3.connect(self.path)
        con.execute("INSERT INTO my_keywords(keyword, device) VALUES ('캠핑 의자', 'mobile')")
        con.commit()
        self.script("post")
        self.assertEqual([(t["data"]["keyword"], t["data"].get("device")) for t in self.double.posted()[3:]],
                         [("캠핑 의자", "mobile")])
        self.script("post")
        self.assertEqual(len(self.double.posted()), 4)
        con.execute("UPDATE naver_serp_posts SET posted_at = datetime('now', '-30 hours') || ' +00:00' WHERE post < 3")
        con.commit()
        con.close()
        self.script("post", ".param set :hours 40")
        self.assertEqual(len(self.double.posted()), 4)
        self.script("post")
        self.assertEqual(len(self.double.posted()), 6)

    def test_what_was_not_accepted_is_posted_again_and_what_may_have_been_is_not(self):
        self.keywords("a")
        for fault, again in (("status", True), ("close", False)):
            with self.subTest(fault):
                self.double.fault(fault, call="task_post", **({"status": 402} if again else {}))
                out = self.script("post", status=1)
                self.assertIn("40200" if again else "unreachable", out)
                self.double.reset_counts()
        self.script("post")
        self.assertEqual(self.double.counts()["posts"], 0)

    def test_hours_that_are_none_post_nothing(self):
        """They would make everything due, and paid, again."""
        self.keywords("a")
        self.script("post")
        for hours in ("abc", "-20", "0", "1e9", "99999999999", "1.5"):
            with self.subTest(hours):
                out = self.script("post", ".param set :hours %s" % hours, status=1)
                self.assertIn("write :hours as a whole number, such as 20", out)
                self.assertEqual(len(self.double.posted()), 1)

    def test_more_than_allowed_posts_nothing_and_says_so(self):
        self.keywords(*("k%d" % n for n in range(120)))
        out = self.script("post", status=1)
        self.assertIn("more than max_post_tasks (100) tasks", out)
        self.assertEqual(self.double.counts()["created"], 0)
        self.script("post", max_post_tasks=200)
        self.assertEqual(self.double.counts()["created"], 120)

    def test_a_part_that_was_refused_is_posted_by_the_next_run(self):
        self.keywords(*("k%d" % n for n in range(150)))
        self.double.fault("status", call="task_post", after=1, status=402)
        out = self.script("post", status=1, max_post_tasks=200)
        self.assertRegex(out, r"pending │ 100 .*\n.*refused │ 50 ")
        self.assertIn("not all keywords were posted, see above: run this again", out)
        self.script("post")
        self.assertEqual(sorted(task["data"]["keyword"] for task in self.double.posted()),
                         sorted("k%d" % n for n in range(150)))

    def test_what_nobody_knows_is_not_called_refused(self):
        self.keywords("a")
        self.double.fault("close", call="task_post")
        self.assertIn("of some nobody knows whether they were posted: see naver_serp_ready", self.script("post", status=1))

    def test_a_keyword_that_is_a_number_is_posted_once(self):
        con = sqlite3.connect(self.path)
        con.execute("CREATE TABLE my_keywords(keyword, device, tag)")
        con.execute("INSERT INTO my_keywords VALUES (2024, 'desktop', NULL)")
        con.commit()
        con.close()
        self.script("post")
        self.script("post")
        self.assertEqual(self.double.counts()["created"], 1)

    def test_what_the_sandbox_took_counts_for_nothing(self):
        self.keywords("a")
        self.script("post", base_url=self.double.sandbox_url)
        self.script("post")
        self.assertEqual([t["data"]["keyword"] for t in self.double.posted()], ["a"] * 2)
        self.script("collect", base_url=self.double.sandbox_url, wait_seconds=30)
        self.assertEqual(self.rows("SELECT count(*) FROM naver_serp_cache WHERE origin LIKE 'sandbox.%'"), [(2,)])
        self.assertIn("2     │ 0        │ 2       │ 0", self.script("collect", base_url=self.double.sandbox_url))
        self.double.reset_counts()
        self.script("collect", wait_seconds=30)
        self.assertEqual(self.rows("SELECT count(*) FROM naver_serp_cache WHERE origin LIKE 'sandbox.%'"), [(0,)])

    def test_a_file_that_takes_nothing_is_no_success(self):
        self.keywords("a")
        self.script("post")
        os.chmod(self.path, 0o444)
        environment = {**self.double.env(), "NAVER_SERP_WAIT_SECONDS": "30"}
        script = (support.ROOT / "sql" / "collect.sql").read_text(encoding="utf-8")
        run = subprocess.run([support.SHELL, "-batch", "-init", os.devnull, "-readonly", self.path], input=script,
                             capture_output=True, text=True, cwd=support.ROOT, env={**os.environ, **environment},
                             timeout=60, check=False)
        self.assertEqual(run.returncode, 1)
        self.assertIn("this file takes no more answers", run.stderr)
        self.assertIn("1     │ 0        │ 1       │ 0", run.stdout)

    def test_an_api_that_cannot_be_reached_is_no_success(self):
        self.keywords("a")
        self.script("post")
        self.double.fault("status", call="tasks_ready", status=402)
        self.assertIn("naver_serp_ready: 40200 Payment Required (refused)", self.script("collect", status=1))
        self.assertNotIn("GET task_get", self.double.counts()["calls"])

    def test_a_writer_is_waited_for(self):
        self.keywords("a")
        con = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        con.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(1, con.execute, ["ROLLBACK"])
        timer.start()
        self.script("post")
        timer.join()
        con.close()
        self.assertEqual(self.double.counts()["created"], 1)

    def test_lost_answers_are_counted(self):
        self.keywords("a", "b")
        self.script("post")
        self.double.advance(31 * 86400)
        self.assertIn("2     │ 0        │ 0       │ 2", self.script("collect"))

    def test_answers_that_were_thrown_away_are_not_asked_for_again(self):
        self.keywords("a", "b")
        self.script("post")
        self.script("collect", wait_seconds=30)
        con = sqlite3.connect(self.path)
        con.execute("DELETE FROM naver_serp_cache")
        con.execute("UPDATE naver_serp_posts SET posted_at = datetime('now', '-32 days') || ' +00:00' WHERE post = 1")
        con.commit()
        con.close()
        self.double.reset_counts()
        self.script("collect")
        self.assertEqual(self.double.counts()["calls"]["GET task_get"], 1)


class ProgressLine(unittest.TestCase):
    """60 ids, two at a time, 0.1 s each: three seconds."""
    SCRIPT = (".load build/naver_serp\nSELECT naver_serp_config('progress', '%s'), naver_serp_config('concurrency', 2);"
              "SELECT count(*) FROM naver_serp WHERE id IN (SELECT value FROM json_each('%s'));\n")

    @classmethod
    def setUpClass(cls):
        cls.double = Double(latency=0.1).start()
        cls.addClassCleanup(cls.double.stop)
        cls.ids = cls.double.generate(60, items=1)

    def run_with(self, setting, terminal):
        master, slave = pty.openpty() if terminal else (None, subprocess.PIPE)
        script = self.SCRIPT % (setting, json.dumps(self.ids))
        process = shell(script, ":memory:", self.double.env(), slave)
        if terminal:
            os.close(slave)
        out, err = process.communicate(input=script, timeout=60)
        if terminal:
            err = b""
            with contextlib.suppress(OSError):  # EIO at the end
                while part := os.read(master, 65536):
                    err += part
            err = err.decode()
            os.close(master)
        self.assertEqual(out.splitlines()[-1], "60")
        return err

    def test_on_a_terminal_it_is_shown_and_wiped(self):
        err = self.run_with("auto", True)
        self.assertRegex(err, r"naver_serp: \d+ of 60.*, \d+/s, \d+ s left")
        self.assertTrue(err.endswith("\r\x1b[K"), repr(err))

    def test_parsing_an_archive_shows_it_too(self):
        """Bodies put in by hand, slowed down by a trigger so that it takes over a second."""
        con = support.connect()
        self.addCleanup(con.close)
        for n in range(40):
            support.insert_body(con, "by hand %d" % n, support.answer('[{"title": "t"}]'))
        con.create_function("nap", 0, lambda: time.sleep(0.04))
        con.execute("CREATE TRIGGER slow AFTER INSERT ON naver_serp_items BEGIN SELECT nap(); END")
        con.execute("SELECT naver_serp_config('progress', 'on')")
        code = os.dup(2)
        with tempfile.TemporaryFile() as err:
            os.dup2(err.fileno(), 2)
            try:
                self.assertEqual(con.execute("SELECT count(*) FROM naver_serp").fetchone(), (40,))
            finally:
                os.dup2(code, 2)
                os.close(code)
            err.seek(0)
            self.assertRegex(err.read().decode(), r"^naver_serp: parsed \d+ of 40, \d+/s, \d+ s left\n")

    def test_without_a_terminal_nothing_is_printed(self):
        self.assertEqual(self.run_with("auto", False), "")

    def test_on_prints_lines_without_a_terminal(self):
        err = self.run_with("on", False)
        self.assertRegex(err, r"^naver_serp: \d+ of 60.*\n")
        self.assertNotIn("\x1b", err)


if __name__ == "__main__":
    unittest.main()
