"""Ways in and out of the process: proxies, files of other programs, certificates, and where the
credentials go."""
import base64
import contextlib
import os
import pathlib
import re
import select
import socket
import subprocess
import sys
import threading
import unittest
import urllib.parse

import support
import test_https
from support import value
from test_https import COUNT, TASK, Double

PROXY_VARIABLES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY", "HTTP_PROXY")
LOGIN, PASSWORD = "s3cret-login@example.com", "pa55 w\u00f6rd/+&%25'\""


class Proxy:
    """An HTTP proxy that knows CONNECT only, and keeps all that passes through it."""

    def __init__(self, refuse=None):
        self.refuse, self.heads, self.passed = refuse, [], b""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=self.socket.accept()[:1], daemon=True).start()

    def serve(self, client):
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                part = client.recv(4096)
                if not part:
                    return
                head += part
            self.heads.append(head.decode("latin-1"))
            if self.refuse:
                client.sendall(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % self.refuse.encode())
                return
            port = int(re.match(r"CONNECT [^ ]+:(\d+) ", self.heads[-1])[1])
            with socket.create_connection(("127.0.0.1", port)) as server:
                client.sendall(b"HTTP/1.1 200 Go\r\n\r\n")
                while True:
                    for one in select.select((client, server), (), ())[0]:
                        part = one.recv(65536)
                        if not part:
                            return
                        self.passed += part
                        (server if one is client else client).sendall(part)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Doors(test_https.Online):

    def setUp(self):
        super().setUp()
        self.environ(**dict.fromkeys(PROXY_VARIABLES))

    def proxy(self, **options):
        proxy = Proxy(**options)
        self.addCleanup(proxy.close)
        return proxy

    def beyond(self, **settings):
        """A connection whose base_url names no loopback host as such: proxies count."""
        return self.connect(**{"base_url": self.d.sandbox_url, "retries": 0, **settings})


class TestProxies(Doors):
    """As with curl: those of the environment are used, but never for this machine."""

    def test_which_variable_counts(self):
        for variable, used in (("https_proxy", True), ("HTTPS_PROXY", True), ("all_proxy", True), ("ALL_PROXY", True),
                               ("http_proxy", False), ("HTTP_PROXY", False)):
            with self.subTest(variable):
                proxy = self.proxy()
                self.environ(**{variable: "http://" + proxy.address})
                self.assertEqual(value(self.beyond(), COUNT, self.new_id()), 10)
                host = urllib.parse.urlsplit(self.d.sandbox_url).netloc
                self.assertEqual([h.split("\r\n")[0] for h in proxy.heads], [f"CONNECT {host} HTTP/1.1"] * used)
                self.environ(**{variable: None})

    def test_no_proxy(self):
        proxy = self.proxy()
        self.environ(https_proxy="http://" + proxy.address)
        for variable, text, used in (("no_proxy", "sandbox.localhost", 0), ("NO_PROXY", "sandbox.localhost", 0), ("no_proxy", "*", 0),
                                     ("no_proxy", "example.com", 1)):
            with self.subTest(variable, text=text):
                del proxy.heads[:]
                self.environ(**{variable: text})
                self.assertEqual(value(self.beyond(), COUNT, self.new_id()), 10)
                self.assertEqual(len(proxy.heads), used)
                self.environ(**{variable: None})

    def test_loopback_is_never_asked_of_a_proxy(self):
        proxy = self.proxy()
        self.environ(**dict.fromkeys(("http_proxy", "https_proxy", "ALL_PROXY"), "http://" + proxy.address))
        task, = self.ready()
        self.assertEqual(value(self.connect(), COUNT, task), 3)
        with Double(plain=True) as plain:
            task, = plain.generate(1, items=3)
            self.assertEqual(value(self.connect(base_url=plain.base_url), COUNT, task), 3)
        self.assertEqual(proxy.heads, [])

    def test_what_a_proxy_sees(self):
        """The host's name. Its own credentials go to it, those of the API and the ids do not."""
        proxy, task = self.proxy(), self.new_id()
        self.environ(https_proxy="http://proxyuser:proxypw@" + proxy.address)
        self.assertEqual(value(self.beyond(), COUNT, task), 10)
        head, = proxy.heads
        self.assertIn("Proxy-Authorization: Basic " + base64.b64encode(b"proxyuser:proxypw").decode(), head)
        self.assertNotIn("\r\nAuthorization:", head)
        seen = head.encode() + proxy.passed
        self.assertGreater(len(proxy.passed), 1000)
        token = base64.b64encode(f"{self.d.user}:{self.d.password}".encode())
        for secret in (self.d.user.encode(), self.d.password.encode(), token, task.encode(), b"task_get"):
            self.assertNotIn(secret, seen)

    def test_a_proxy_cannot_pose_as_the_api(self):
        """Who answers behind the tunnel has to show the API's certificate before anything is sent."""
        with Double(cert="wrong") as wrong:
            proxy = self.proxy()
            port = urllib.parse.urlsplit(wrong.base_url).port
            self.environ(https_proxy="http://" + proxy.address)
            con = self.beyond(base_url="https://sandbox.localhost:%d" % port)
            self.assertRegex(con.execute(TASK, (self.new_id(),)).fetchone()[2], "subject name")
            self.assertEqual((len(proxy.heads), wrong.counts()["requests"]), (1, 0))

    def test_failures_name_no_password(self):
        gone = socket.create_server(("127.0.0.1", 0))
        closed = "127.0.0.1:%d" % gone.getsockname()[1]
        gone.close()
        for what, url in (("closed port", "http://u:proxypw@" + closed), ("bad port", "http://u:proxypw@127.0.0.1:99999"),
                          ("bad scheme", "what://u:proxypw@127.0.0.1"), ("no host", "http://u:proxypw@"),
                          ("403", "403 Forbidden"), ("407", "407 Who"), ("502", "502 Bad"), ("garbage", "x")):
            with self.subTest(what):
                if " " in url or url == "x":
                    url = "http://u:proxypw@" + self.proxy(refuse=url).address
                self.environ(https_proxy=url)
                text = self.error(self.beyond(), "SELECT * FROM naver_serp(?)", self.new_id())
                self.assertIn("(unreachable)", text)
                self.assertGreater(len(text), 110, text)
                self.assertNotIn("proxypw", text)
                if what[0].isdigit():
                    self.assertIn(what, text)
        self.assertEqual(self.requests(), 0)


class TestFiles(Doors):
    """What libcurl and its TLS library could read and write of their own accord."""

    def test_ca_files_that_are_none(self):
        folder = pathlib.Path(self.file()).parent
        (folder / "empty.pem").write_text("")
        (folder / "text.pem").write_text("no certificate\n")
        (folder / "half.pem").write_bytes(pathlib.Path(self.d.ca_file).read_bytes()[:200])
        (folder / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        for name in ("missing.pem", "empty.pem", "text.pem", "half.pem", "key.pem", ""):
            with self.subTest(name):
                con = self.connect(ca_file=str(folder / name))
                text = self.task(con, self.ready()[0])[2]
                self.assertIn("ca_file", text)
                self.assertEqual(self.requests(), 0)

    def test_ids_cannot_change_the_call(self):
        """Besides those of test_https: percent, fragment, line ends, and what is one only when decoded."""
        con, (task,) = self.connect(), self.ready()
        tails = ("%2f", "#", "?", "\r\nX: y", "%0d%0a", "/..", "//", "\\", ";a", "&a", "\x7f", "\u202e", " ", "@host")
        for value_ in [task + t for t in tails] + [t + task for t in tails] + [task[:-len(t)] + t for t in tails]:
            with self.subTest(value_):
                self.assertEqual(con.execute(TASK, (value_,)).fetchone()[0], "absent")
        self.assertEqual(self.requests(), 0)

    def test_paths_of_base_url_are_kept(self):
        con = self.connect(retries=0)
        for path, expected in (("", ""), ("/", ""), ("//", ""), ("/a/b", "/a/b"), ("/a/", "/a"), ("/a%2fb", "/a%2fb")):
            self.configure(con, base_url=self.d.base_url + path)
            con.execute(TASK, self.ready()).fetchall()
            self.assertTrue(self.d.log()[-1]["path"].startswith(expected + "/v3/serp/naver/organic/task_get/advanced/"), path)


def spellings(secret):
    """The bytes by which a text may be found: as it is, and as programs write it."""
    raw = secret.encode()
    found = {raw, urllib.parse.quote(secret, safe="").encode(), urllib.parse.quote_plus(secret).encode(),
             raw.hex().encode(), raw.hex().upper().encode(), secret.encode("utf-16-le"), secret.encode("utf-16-be"), raw[::-1]}
    for k in range(3):  # Wherever it begins within what was encoded
        whole = base64.b64encode(b"\0" * k + raw)
        found.add(whole[4 if k else 0:-4])
    return found


class TestCredentials(Doors):
    """They are in the environment and in requests, and nowhere else."""

    SCRIPT = """
import os, sqlite3, sys
sys.path.insert(0, sys.argv[1])
import importlib
env = dict(os.environ)
import support                      # Takes them out of the environment
os.environ.update(env)
path, ids = sys.argv[2], sys.argv[3].split(",")
con = support.connect(path)
con.execute("PRAGMA journal_mode = " + sys.argv[4])
for setting in (("progress", "on"), ("retry_delay_ms", 1), ("retries", 1), ("timeout_ms", 2000)):
    con.execute("SELECT naver_serp_config(?, ?)", setting)
def ask(sql, *values):
    try:
        print(con.execute(sql, values).fetchall())
    except sqlite3.Error as e:
        print(e)
ask("BEGIN IMMEDIATE")
ask("SELECT * FROM naver_serp WHERE id IN (SELECT value FROM json_each(?))", str(ids).replace("'", '"'))
ask("SELECT * FROM naver_serp_task WHERE id IN (SELECT value FROM json_each(?))", str(ids).replace("'", '"'))
ask("SELECT naver_serp_config()"); ask("SELECT naver_serp_version()")
ask("INSERT INTO naver_serp_post(keyword) VALUES ('k')")
ask("COMMIT")
ask("SELECT * FROM naver_serp_post"); ask("SELECT * FROM naver_serp_ready")
os.environ["DATAFORSEO_PASSWORD"] += "!"
for sql in ("SELECT * FROM naver_serp(?, 'refresh')", "SELECT * FROM naver_serp_task(?, 'refresh')"): ask(sql, ids[0])
ask("SELECT * FROM naver_serp_ready")
os.environ["DATAFORSEO_PASSWORD"] = os.environ["DATAFORSEO_PASSWORD"][:-1]
for url in ("https://localhost:1", os.environ["NAVER_SERP_BASE_URL"].replace("localhost", "127.0.0.2"), "https://[::1]:1", "http://localhost:1"):
    ask("SELECT naver_serp_config('base_url', ?)", url); ask("SELECT * FROM naver_serp(?, 'refresh')", ids[0])
ask("SELECT naver_serp_config('base_url', ?)", "https://%s@localhost" % os.environ["DATAFORSEO_PASSWORD"])
ask("SELECT naver_serp_config(NULL)"); ask("SELECT * FROM naver_serp(?, 'refresh')", "x")
con.execute("BEGIN IMMEDIATE"); con.execute("CREATE TABLE mine AS SELECT * FROM naver_serp_cache")
print(open("/proc/self/cmdline").read())
sys.stdout.flush()
if sys.stdin.readline(): con.execute("ROLLBACK")
"""

    def setUp(self):
        super().setUp()
        own = Double(user=LOGIN, password=PASSWORD)
        self.own = own.start()
        self.addCleanup(own.stop)

    def search(self, where, data):
        for name, secret in (("password", PASSWORD), ("login", LOGIN), ("header", f"{LOGIN}:{PASSWORD}")):
            for spelling in spellings(secret):
                self.assertNotIn(spelling, data, f"{name} in {where}")

    def test_they_are_found_where_they_are(self):
        """The search itself finds each spelling."""
        header = base64.b64encode(f"{LOGIN}:{PASSWORD}".encode())
        for data in (PASSWORD.encode(), b"Authorization: Basic " + header, LOGIN.encode().hex().encode(),
                     base64.b64encode(b"x" + PASSWORD.encode() + b"y"), base64.b64encode(b"xy" + LOGIN.encode())):
            with self.assertRaises(AssertionError):
                self.search("", data)

    def ids(self):
        ids = self.own.generate(12, items=3)
        for id, fault in zip(ids[6:], ("reset", "close", "truncate", "status", "body")):
            self.own.fault(fault, id=id, times=None)
        return ids

    @unittest.skipUnless(os.path.exists("/proc/self/cmdline"), "needs /proc")
    def test_the_files_and_all_that_is_printed(self):
        for mode in ("WAL", "DELETE", "PERSIST"):
            with self.subTest(mode):
                path, ids = self.file(), self.ids()
                with subprocess.Popen([sys.executable, "-B", "-c", self.SCRIPT, str(support.ROOT / "test"), path, ",".join(ids), mode],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      env={**os.environ, **self.own.env()}) as process:
                    out = b""
                    while b"-B\0-c" not in out:  # The last line, of /proc/self/cmdline
                        part = process.stdout.readline()
                        if not part:
                            break
                        out += part
                    files = {n: pathlib.Path(path + n).read_bytes() for n in ("", "-wal", "-journal", "-shm") if os.path.exists(path + n)}
                    cmdline = pathlib.Path(f"/proc/{process.pid}/cmdline").read_bytes()
                    rest, err = process.communicate(b"go\n", timeout=30)
                self.assertEqual(process.returncode, 0, err)
                self.assertIn(b"40100", out)
                self.assertIn(b"(unreachable)", out)
                self.assertIn("-wal" if mode == "WAL" else "-journal", files)
                for where, data in [("out", out + rest), ("err", err), ("cmdline", cmdline), *files.items(),
                                    ("file", pathlib.Path(path).read_bytes())]:
                    self.search(where, data)
                for entry in self.own.log():
                    self.search("URL", repr(entry).encode())

    def test_the_log_of_sqlite(self):
        """sqlite3_log() by the shell's .log, with errors of every kind in it."""
        ids = self.ids()
        listed = ",".join(f"('{id}')" for id in ids)
        run = subprocess.run([support.SHELL, "-init", os.devnull, "-batch"], capture_output=True, env={**os.environ, **self.own.env()}, input=(
            f".load '{support.EXTENSION}'\n.log stderr\n.trace stdout\nSELECT naver_serp_config('retries', 0);\n"
            f"SELECT * FROM naver_serp WHERE id IN (VALUES {listed});\nSELECT no_such;\nSELECT naver_serp_import('x');\n"
            "SELECT naver_serp_config();\nSELECT naver_serp_config('base_url', 'http://example.com');\nSELECT * FROM naver_serp_ready;\n"
            "INSERT INTO naver_serp_post(keyword) VALUES (NULL);\nINSERT INTO naver_serp_post(keyword) VALUES ('k');\n"
            f"SELECT naver_serp_config('base_url', 'https://localhost:1');\nSELECT * FROM naver_serp('{ids[0]}', 'refresh');\n"
        ).encode(), check=False)
        self.assertIn(b"no such column: no_such", run.stderr)
        self.assertIn(b"tasks gave no rows", run.stderr)
        self.assertIn(b"(unreachable)", run.stderr)
        self.search("out", run.stdout)
        self.search("err", run.stderr)

    def test_the_keys_of_tls_are_written_only_where_it_is_asked(self):
        """SSLKEYLOGFILE is for people who look into their own traffic, as with curl; no password is in it."""
        path = self.file() + ".keys"
        for asked in (False, True):
            id, = self.own.generate(1, items=3, first=50 + asked)
            out, err, code = support.shell(f"SELECT count(*) FROM naver_serp('{id}');",
                                           env={**self.own.env(), **({"SSLKEYLOGFILE": path} if asked else {})})
            self.assertEqual((out, err, code), ("3\n", "", 0))
            if not asked:
                self.assertEqual([n for n in os.listdir(os.path.dirname(path)) if "keys" in n], [])
        if os.path.exists(path):  # Not with every build of libcurl
            self.search("keys", pathlib.Path(path).read_bytes())


if __name__ == "__main__":
    unittest.main()
