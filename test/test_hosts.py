"""Hosts: the README's snippet for each runs as it stands; SQLite's versions: tests on other ones.

What Debian has comes with `test/deps.sh hosts`, what npm has with `test/hosts.sh build`; a host or
a version that is not there is skipped, and the line says so.
"""
import glob
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import tempfile
import unittest
from unittest import mock

import support
from double import Double

SAMPLE_ID = "03171324-1535-0066-0000-770617fdc9a8"
TASK_ID = "03020115-1535-0066-0099-000000000001"  # Of support.answer()
EXPECTED = "1|www.apple.com\n"  # sqlite-utils prints CSV
BUILD = support.ROOT / "build"
NPM = BUILD / "hosts" / "node_modules"
SQLITE = BUILD / "hosts" / "sqlite"


def newest_node():
    return next(iter(glob.glob(str(NPM / "node-linux-*" / "bin" / "node"))), None)


def php(path):
    return ["php", "-d", "sqlite3.extension_dir=" + str(BUILD), path]


# The README's heading: how a file with the snippet is run, what says that the host is there.
HOSTS = {
    "The sqlite3 shell": (lambda path: ["bash", path], ["sqlite3", "--version"]),
    "Python": (lambda path: ["/usr/bin/python3", path],
               ["/usr/bin/python3", "-c",
                "import sqlite3; sqlite3.connect('').enable_load_extension(True)"]),
    "sqlite-utils": (lambda path: ["bash", path], ["sqlite-utils", "--version"]),
    "Node, better-sqlite3": (lambda path: ["node", path],
                             ["node", "-e", "new (require('better-sqlite3'))(':memory:')"]),
    "Node, node:sqlite": (lambda path: [newest_node() or "node", path],
                          [newest_node() or "node", "-e", "require('node:sqlite').DatabaseSync"
                           ".prototype.loadExtension.call"]),
    "PHP": (php, ["php", "-r", "new SQLite3(':memory:');"]),
    "Perl": (lambda path: ["perl", path], ["perl", "-MDBD::SQLite", "-e1"]),
    "Tcl": (lambda path: ["tclsh", path],
            ["sh", "-c", "echo 'puts [package require sqlite3]' | tclsh | grep ^3"]),
}


def environment(**more):
    """Where the loader finds naver_serp by its name, and Node what npm brought."""
    return {**os.environ, "LD_LIBRARY_PATH": str(BUILD), "NODE_PATH": str(NPM),
            "NODE_NO_WARNINGS": "1", "HOME": "/nonexistent", **more}


def snippets():
    """{heading: code} of the README's section Hosts."""
    readme = (support.ROOT / "README.md").read_text(encoding="utf-8")
    section = re.search(r"(?ms)^## Hosts\n(.*?)^## ", readme)[1]
    return dict(re.findall(r"(?ms)^### ([^\n]+)\n(?:(?!^###|^```).)*^```\w+[^\n]*\n(.*?)^```$",
                           section))


class Hosts(unittest.TestCase):
    """Each host, by its own way of loading: two tests for each snippet, see below."""

    @classmethod
    def setUpClass(cls):
        cls.double = Double().start()
        cls.addClassCleanup(cls.double.stop)
        cls.double.add(SAMPLE_ID, support.read_bytes("sample.json").decode())

    def test_each_snippet_is_run(self):
        """The section of the README has the snippets that the tests run, and no other."""
        self.assertEqual(list(snippets()), list(HOSTS))

    def snippet(self, heading, stored):
        """Runs one in a folder of its own, on a stored answer or where it has to be fetched."""
        command, probe = HOSTS[heading]
        try:
            subprocess.run(probe, env=environment(), capture_output=True, timeout=60, check=True)
        except (OSError, subprocess.CalledProcessError):
            self.skipTest(f"{heading} is not installed: make hosts")
        with tempfile.TemporaryDirectory() as folder:
            script = pathlib.Path(folder, "snippet")
            script.write_text(snippets()[heading], encoding="utf-8")
            path = os.path.join(folder, "serp.db")
            if stored:
                con = support.connect(path)
                support.import_file(con, "sample.json")
                con.close()
            done = subprocess.run(command(str(script)), cwd=folder, capture_output=True, text=True,
                                  env=environment(**({} if stored else self.double.env())),
                                  timeout=60, check=False)
            out = done.stdout.replace("\r\n", "\n").replace(",", "|")
            self.assertEqual((out, done.stderr, done.returncode), (EXPECTED, "", 0))
            self.check(path)

    def check(self, path):
        """What the host left is a sound file that holds the one answer, as it came."""
        con = sqlite3.connect(path)
        self.assertEqual(con.execute("SELECT id, CAST(body AS BLOB) FROM naver_serp_cache").fetchall(),
                         [(SAMPLE_ID, support.read_bytes("sample.json"))])
        self.assertEqual(con.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        con.close()


def add_tests(heading):
    def stored(self):
        self.snippet(heading, stored=True)

    def fetched(self):
        self.snippet(heading, stored=False)
    stored.__doc__ = f"{heading}: loads the extension and reads what is stored, without network."
    fetched.__doc__ = f"{heading}: fetches over HTTPS and stores, whatever TLS library it brings."
    name = re.sub("[^a-z0-9]+", "_", heading.lower())
    setattr(Hosts, f"test_stored_{name}", stored)
    setattr(Hosts, f"test_fetched_{name}", fetched)


for _heading in HOSTS:
    add_tests(_heading)


class Hints(unittest.TestCase):
    """Errors name the setting or the function that helps."""

    def fails(self, con, sql):
        with self.assertRaises(sqlite3.Error) as caught:
            con.execute(sql).fetchall()
        return str(caught.exception)

    def test_schema_that_is_not_attached(self):
        """Never attached or detached since: the setting is named; what it says helps."""
        con = support.connect()
        con.execute("SELECT naver_serp_config('schema', 'other')")
        hint = "setting schema is 'other', and no database of that name is attached: attach it"
        self.assertIn(hint, self.fails(con, "SELECT * FROM naver_serp"))
        con.execute("ATTACH ':memory:' AS other")
        self.assertEqual(con.execute("SELECT * FROM naver_serp").fetchall(), [])
        con.execute("DETACH other")
        self.assertIn(hint, self.fails(con, "SELECT * FROM naver_serp"))
        con.execute(re.search("or (SELECT .*)", self.fails(con, "SELECT * FROM naver_serp"))[1])
        self.assertEqual(con.execute("SELECT * FROM naver_serp").fetchall(), [])

    def test_a_file_name_for_an_answer(self):
        """The error is the statement that was meant: readfile() around the name."""
        con = support.connect()
        path = str(support.ROOT / "data" / "sample.json").replace("data", "it's/../data")
        said = self.fails(con, "SELECT naver_serp_import('%s')" % path.replace("'", "''"))
        self.assertIn("this takes an answer, not a file's name: ", said)
        meant = re.search("SELECT .*", said)[0]
        self.assertIn("readfile('", meant)
        self.assertEqual(con.execute("SELECT %s" % re.search(r"'.*'", meant)[0]).fetchone(), (path,))
        for body in ("[1].json", '{"a":"x.json', "x.jsonl"):
            with self.subTest(body):
                self.assertIn("not a final answer", self.fails(
                    con, "SELECT naver_serp_import('%s')" % body))


class NotStored(unittest.TestCase):
    """A task that is not stored is shown as a stored one would be."""

    def test_real_in_a_text_column(self):
        """A REAL as text is what this SQLite makes of it, however many digits that are."""
        with Double() as double, mock.patch.dict(os.environ, double.env()):
            for number in ("9.223372036854776e18", "1e15", "0.1", "123456.789"):
                stored = support.answer(task_members=f'"time":{number},')
                pending = stored.replace(b'20000,"status_message":"Ok.","cost',
                                         b'40602,"status_message":"q","cost')
                shown = []
                for body in (stored, pending):
                    double.add(TASK_ID, body)
                    con = support.connect()
                    shown += con.execute("SELECT state, time FROM naver_serp_task(?)",
                                         (TASK_ID,)).fetchall()
                with self.subTest(number):
                    self.assertEqual([state for state, _ in shown], ["empty", "pending"])
                    self.assertEqual(shown[0][1], shown[1][1])


# Tests of versions that cannot be as they are with Debian's, and why.
MODEL = "the model of REAL to TEXT in the test has 15 digits, SQLite has 17 since 3.53"
KNOWN = {
    "3.53.2": {"test_the_model_is_what_this_sqlite_does": MODEL},
}
BROAD = ("test_columns", "test_functions", "test_ready", "TestSameRows.test_plain_store",
         "TestComparisons", "TestOrder", "TestPlans",
         "test_any_wait_can_be_interrupted", "TestPlainShell", "NotStored")


class Versions(unittest.TestCase):
    """Python's sqlite3 on another libsqlite3; the shell stays Debian's and shares files with it."""

    def run_with(self, version, command, **options):
        if not (SQLITE / version).exists():
            self.skipTest(f"no SQLite {version}: test/hosts.sh build")
        with tempfile.TemporaryDirectory() as folder:
            wrapper = pathlib.Path(folder, "sqlite3")
            wrapper.write_text("#!/bin/sh\nunset LD_LIBRARY_PATH\n"
                               f"exec {shutil.which('sqlite3')} \"$@\"\n")
            wrapper.chmod(0o755)
            return subprocess.run(["/usr/bin/python3", *command], cwd=support.ROOT, env={
                **os.environ, "LD_LIBRARY_PATH": str(SQLITE / version),
                "PATH": folder + ":" + os.environ["PATH"]}, capture_output=True, text=True,
                timeout=300, check=False, **options)

    def broad(self, version):
        done = self.run_with(version, ["-X", "faulthandler", "test/run.py", *BROAD])
        self.assertRegex(done.stdout, r"(?m)^[0-9]{2,} passed, [0-9]+ failed",
                         done.stdout[-1000:] + done.stderr)
        failed = set(re.findall(r"(?m)^(?:FAIL|ERROR): (\w+)", done.stdout))
        self.assertLessEqual(failed, set(KNOWN.get(version, ())), done.stdout[-4000:])
        seen = self.run_with(version, ["-c", "import sqlite3; print(sqlite3.sqlite_version)"])
        self.assertEqual(seen.stdout.strip(), version)

    def test_oldest(self):
        """SQLite 3.38.2: rows, comparisons, orders, plans, interrupts are as with Debian's."""
        self.broad("3.38.2")

    def test_newest(self):
        """SQLite 3.53.2, the newest of better-sqlite3: the same."""
        self.broad("3.53.2")

    def test_too_old(self):
        """SQLite 3.37.2 is refused when loading, with the version that is needed."""
        done = self.run_with("3.37.2", ["-c", "import sys; sys.path.insert(0, 'test')\n"
                                        "import support; support.connect()"])
        self.assertIn("naver_serp needs SQLite 3.38.0 or newer; this is 3.37.2", done.stderr)


if __name__ == "__main__":
    unittest.main()
