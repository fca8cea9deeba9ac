"""The README: every command in it runs, and prints what it says."""

import os
import re
import subprocess
import tempfile
import unittest

import support
from double import Double

SAMPLE_ID = "03171324-1535-0066-0000-770617fdc9a8"


def blocks():
    """(info, text, language of the next block, text of the next block) of each fenced block."""
    with open(os.path.join(support.ROOT, "README.md"), encoding="utf-8") as f:
        found = re.findall(r"^```(.*)\n((?:.*\n)*?)```$", f.read(), re.M)
    following = found[1:] + [("", "")]
    return [(info, text) + nxt for (info, text), nxt in zip(found, following)]


def shell(script, environment):
    """Runs a script in the stock shell, in the README's folder, on a fresh database."""
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            ["sqlite3", "-batch", "-init", "/dev/null", os.path.join(folder, "serp.db")],
            input=script, capture_output=True, text=True, cwd=support.ROOT,
            env=dict(os.environ, **environment), timeout=60)


class Readme(unittest.TestCase):
    def test_sql_prints_what_it_says(self):
        """The sql blocks, one after another in one session, print the blocks behind them."""
        script, expected = "", ""
        for info, text, next_info, next_text in blocks():
            if info == "sql":
                self.assertEqual(next_info, "text", "no output shown for:\n" + text)
                script += text
                expected += next_text
        done = shell(script, {})
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.stdout, expected)

    def test_sql_with_network(self):
        """The blocks that need the API run against its double, without an error."""
        with Double() as double, open(os.path.join(support.ROOT, "data/sample.json")) as f:
            double.add(SAMPLE_ID, f.read())
            ids = double.generate(3, items=5)
            script = (".load build/naver_serp\n.bail on\nCREATE TABLE my_tasks(task_id);"
                      "CREATE TABLE my_keywords(keyword, device, tag);"
                      "INSERT INTO my_keywords VALUES('캠핑 의자', 'mobile', 'a'),"
                      " ('iphone', 'desktop', 'b');"
                      "INSERT INTO my_tasks VALUES%s;\n"
                      % ",".join("('%s')" % i for i in ids))
            script += "".join(text for info, text, _, _ in blocks() if info == "sql network")
            done = shell(script, double.env())
            self.assertEqual(done.stderr, "")
            self.assertEqual(done.returncode, 0)
            self.assertGreaterEqual(double.counts()["requests"], 4)

    def test_shell_commands_exist(self):
        """The sh blocks are targets of the Makefile; make demo prints the README's tables."""
        commands = "".join(text for info, text, _, _ in blocks() if info == "sh")
        for line in commands.splitlines():
            with self.subTest(line):
                self.assertRegex(line, r"^make( [a-z]+)?$")
                self.assertEqual(subprocess.run(line.split() + ["-n"], cwd=support.ROOT,
                                                capture_output=True).returncode, 0)
        demo = subprocess.run(["make", "-s", "demo"], cwd=support.ROOT, capture_output=True,
                              text=True)
        self.assertEqual(demo.returncode, 0, demo.stderr)
        self.assertEqual(demo.stderr, "")
        for word in ("www.apple.com", "제품 사양", "Youtube DailyTekk", "푸른 꽃", "iphone xs"):
            self.assertIn(word, demo.stdout)
        self.assertRegex(demo.stdout, r"│ map +│ NULL +│")
        self.assertLess(max(map(len, demo.stdout.splitlines())), 120)

    def test_analyses_run(self):
        """The commands of the table of scripts run in the stock shell and say nothing wrong."""
        with open(os.path.join(support.ROOT, "README.md"), encoding="utf-8") as f:
            commands = re.findall(r"^\| `(\w+\.sql)` \|.*\| (?:`(.*)`|as `.*`) \|$", f.read(), re.M)
        scripts = {n for n in os.listdir(os.path.join(support.ROOT, "sql")) if n.endswith(".sql")}
        self.assertLessEqual({name for name, _ in commands}, scripts)
        self.assertGreater(len(commands), 8)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "serp.db")
            con = support.connect(path)
            for name in ("sample.json", "full.json"):
                support.import_file(con, name)
            con.close()
            os.symlink(os.path.join(support.ROOT, "sql"), os.path.join(folder, "sql"))
            for name, command in commands:
                if command:
                    with self.subTest(name):
                        done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True,
                                              env=dict(os.environ, HOME=folder), timeout=60)
                        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_python_snippet(self):
        """The Python block runs with a Python that can load extensions."""
        snippets = [text for info, text, _, _ in blocks() if info == "python"]
        self.assertTrue(snippets)
        for snippet in snippets:
            with self.subTest(snippet), tempfile.TemporaryDirectory() as folder:
                code = ("import sqlite3\n" + snippet.replace(
                    '"serp.db"', repr(os.path.join(folder, "serp.db"))) +
                    "\nprint(con.execute('SELECT naver_serp_version()').fetchone()[0])")
                done = subprocess.run(["/usr/bin/python3", "-c", code], cwd=support.ROOT,
                                      capture_output=True, text=True)
                self.assertEqual(done.stderr, "")
                self.assertTrue(done.stdout.startswith("naver_serp "))

    def test_columns_and_settings_are_listed(self):
        """The reference part names the columns and the settings there are."""
        with open(os.path.join(support.ROOT, "README.md"), encoding="utf-8") as f:
            readme = " ".join(f.read().split())
        con = support.connect()
        for table in ("naver_serp", "naver_serp_task"):
            names = [r[1] for r in con.execute("PRAGMA table_info(%s)" % table)]
            self.assertIn(", ".join(names[:24]), readme, table)
            for name in names:
                self.assertIn(name, readme)
        for key, value in con.execute("SELECT key, value FROM json_each(naver_serp_config())"):
            with self.subTest(key):
                shown = "`%s`" % value if isinstance(value, str) and value else value
                self.assertIn(" ".join(("| `%s` | %s |" % (key, shown)).split()), readme)


if __name__ == "__main__":
    unittest.main()
