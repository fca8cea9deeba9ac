"""The whole loop of sql/loop.sql in the shell, and the progress line on a terminal."""
import contextlib
import json
import os
import pty
import subprocess
import tempfile
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
    def test_post_wait_collect_rank(self):
        keywords = ["캠핑 의자", "c++ 책", "100% 면"]
        script = (support.ROOT / "sql" / "loop.sql").read_text(encoding="utf-8")
        with Double(queue_seconds=1) as double, tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "serp.db")
            con = support.connect(path)
            con.execute("CREATE TABLE my_keywords(keyword TEXT PRIMARY KEY, team TEXT)")
            con.executemany("INSERT INTO my_keywords VALUES (?, 'team')", [(k,) for k in keywords])
            con.close()
            process = shell(script, path, double.env())
            out, err = process.communicate(input=script, timeout=60)
            self.assertEqual((process.returncode, err), (0, ""))
            counts = double.counts()
            self.assertEqual((counts["posts"], counts["created"]), (1, 3))
            self.assertEqual(sorted(task["data"]["keyword"] for task in double.posted()),
                             sorted(["캠핑 의자", "c%2B%2B 책", "100%25 면"]))
            con = support.connect(path)
            self.assertEqual(con.execute("SELECT k.keyword, t.state, t.tag FROM my_keywords k JOIN naver_serp_tasks t"
                                         " ON t.keyword = k.keyword ORDER BY 1").fetchall(),
                             [(k, "ready", "team") for k in sorted(keywords)])
            con.close()
        self.assertIn("best_rank", out)
        for word in ("pending", "ready", "캠핑 의자"):
            self.assertIn(word, out)


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
