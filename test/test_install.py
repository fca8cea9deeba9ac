"""make install, uninstall, man and deb: what they put where, that the loader finds it, that it goes.

Where the machine lets them, the tests that install into the system do so in a mount namespace of
their own, over /etc, /usr and /var: nothing of it is seen outside, or left.
"""
import gzip
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import support

PACKAGE = "libsqlite3-mod-naver-serp"
SAMPLE = support.ROOT / "data" / "sample.json"

# Runs the file $1 where /etc, /usr and /var are writable copies that end with it.
NAMESPACE = """
set -e
mount -t tmpfs none "$0"
for folder in etc usr var; do
  mkdir -p "$0/$folder" "$0/work-$folder"
  mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$0/$folder,workdir=$0/work-$folder" /$folder
done
exec sh -eu "$1"
"""

# Says whether SQLite loads the extension by its name, in a folder that has nothing to do with it.
LOAD = """
load() { (cd / && sqlite3 -batch -bail -init /dev/null :memory: ".load ${1:-naver_serp}" \
  "SELECT 'loaded ' || substr(naver_serp_version(), 1, 10)" 2>&1) || true; }
"""


def make(*arguments, **environment):
    return subprocess.run(["make", "-s", *arguments], cwd=support.ROOT, capture_output=True,
                          text=True, env={**os.environ, **environment}, timeout=120, check=True)


def in_namespace(script):
    """Runs a shell script in a copy of the system; None where that is not allowed."""
    with tempfile.TemporaryDirectory() as folder:
        mount, path = os.path.join(folder, "mount"), os.path.join(folder, "script")
        os.mkdir(mount)
        for text in ("echo begun\n", "echo begun\n" + LOAD + script):
            pathlib.Path(path).write_text(text, encoding="utf-8")
            unshare = ["unshare", "-m"] if os.getuid() == 0 else ["unshare", "-rm"]
            done = subprocess.run([*unshare, "sh", "-c", NAMESPACE, mount, path], cwd=support.ROOT,
                                  capture_output=True, text=True, timeout=120, check=False)
            if not done.stdout.startswith("begun\n"):
                return None
    if done.returncode:
        raise AssertionError(done.stdout + done.stderr)
    return done.stdout.removeprefix("begun\n")


def files(folder):
    """Everything below a folder that is no folder, as paths from there."""
    return sorted(str(p.relative_to(folder)) for p in pathlib.Path(folder).rglob("*")
                  if p.is_symlink() or not p.is_dir())


class Install(unittest.TestCase):
    def namespace(self, script):
        out = in_namespace(script)
        if out is None:
            self.skipTest("no mount namespace with overlays here (needs root or user namespaces)")
        return out

    def test_puts_its_files_and_takes_them_away(self):
        """Library, link, scripts and man page, at DESTDIR; uninstall leaves what is not its own."""
        with tempfile.TemporaryDirectory() as folder:
            where = {"DESTDIR": folder + "/with blank", "PREFIX": "/opt/x"}
            arguments = [f"{k}={v}" for k, v in where.items()]
            make("install", *arguments)
            scripts = {p.name for p in (support.ROOT / "sql").iterdir()} - {"demo.sql"}
            expected = {"lib/libnaver_serp.so", "lib/naver_serp.so"}
            expected |= {"share/naver_serp/sql/" + name for name in scripts}
            if shutil.which("go-md2man"):
                expected.add("share/man/man7/naver_serp.7")
            root = pathlib.Path(where["DESTDIR"] + where["PREFIX"])
            self.assertEqual(files(root), sorted(expected))
            self.assertEqual(os.readlink(root / "lib/naver_serp.so"), "libnaver_serp.so")
            for name in scripts:
                text = (root / "share/naver_serp/sql" / name).read_text(encoding="utf-8")
                self.assertNotIn("build/naver_serp", text, name)
                self.assertEqual(os.access(root / "share/naver_serp/sql" / name, os.X_OK), name.endswith(".sh"))
            other = ("lib/libother.so", "share/naver_serp/sql/mine.sql")
            for name in other:
                (root / name).touch()
            make("uninstall", *arguments)
            self.assertEqual(files(root), sorted(other))
            (root / other[1]).unlink()
            make("uninstall", *arguments)
            self.assertFalse((root / "share/naver_serp").exists())

    def test_libdir(self):
        """LIBDIR says where the library goes, PREFIX where the rest does."""
        with tempfile.TemporaryDirectory() as folder:
            make("install", "DESTDIR=" + folder, "PREFIX=/usr", "LIBDIR=/usr/lib/some-where")
            self.assertEqual([f for f in files(folder) if "/lib/" in f],
                             ["usr/lib/some-where/libnaver_serp.so",
                              "usr/lib/some-where/naver_serp.so"])

    def test_unpacked_archive(self):
        """Without .git and from a folder with a blank it installs the same, without a word of git."""
        with tempfile.TemporaryDirectory() as folder:
            source = os.path.join(folder, "naver serp")
            shutil.copytree(support.ROOT, source, ignore=shutil.ignore_patterns(".git", "build", "data", "corpus"))
            done = subprocess.run(["make", "-s", "install", "DESTDIR=" + folder + "/there"], cwd=source, text=True,
                                  capture_output=True, timeout=120, check=True)
            self.assertEqual(done.stderr, "")
            make("install", "DESTDIR=" + folder + "/here")
            self.assertEqual(files(folder + "/there"), files(folder + "/here"))

    def test_default_prefix_loads_from_any_folder(self):
        """After `make install`, `.load naver_serp` works in / and says so; not after uninstall."""
        out = self.namespace("""
            before=$(find /usr/local /etc ! -type d | sort)
            echo "before: $(load)"
            make -s install
            echo "after: $(load)"
            /usr/bin/python3 -c 'import sqlite3
            con = sqlite3.connect(":memory:"); con.enable_load_extension(True)
            con.load_extension("naver_serp"); print("python: loaded")' 2>&1 | sed 's/^ *//'
            cd /usr/local/share/naver_serp
            sqlite3 -init /dev/null /tmp/naver_serp_test.$$ <sql/store.sql
            sqlite3 -init /dev/null /tmp/naver_serp_test.$$ <sql/movers.sql >/dev/null
            rm /tmp/naver_serp_test.$$
            cd - >/dev/null
            make -s uninstall
            echo "gone: $(load)"
            [ "$before" = "$(find /usr/local /etc ! -type d | sort)" ] && echo "nothing left"
        """.replace("\n            ", "\n"))
        self.assertRegex(out, r"(?m)^before: .*cannot open shared object")
        self.assertRegex(out, r"(?m)^after: loaded naver_serp$")
        self.assertIn("`.load naver_serp` works from any folder.\n", out)
        self.assertIn("python: loaded\n", out)
        self.assertRegex(out, r"(?m)^gone: .*cannot open shared object")
        self.assertTrue(out.endswith("nothing left\n"), out)

    def test_another_prefix_says_what_to_do(self):
        """Where the loader does not search, each of the three ways that install names works."""
        out = self.namespace("""
            make -s install PREFIX=/usr/local/elsewhere >/usr/said
            cat /usr/said
            echo "name: $(load)"
            echo "path: $(load /usr/local/elsewhere/lib/naver_serp)"
            eval "$(sed -n 's/^  for this user: //p' /usr/said)"
            echo "variable: $(load)"
            unset LD_LIBRARY_PATH
            PATH=$PATH:/usr/sbin:/sbin
            eval "$(sed -n 's/^  for all, as root: //p' /usr/said)"
            echo "configured: $(load)"
        """)
        self.assertIn("The loader does not search /usr/local/elsewhere/lib.", out)
        self.assertNotIn("works from any folder", out)
        self.assertRegex(out, r"(?m)^name: .*cannot open shared object")
        for way in ("path", "variable", "configured"):
            self.assertRegex(out, r"(?m)^%s: loaded naver_serp$" % way)

    def test_relative_folder_with_a_blank(self):
        """What is printed works from any folder, pasted as it is."""
        out = self.namespace("""
            mkdir -p '/usr/local/with blank'
            relative=$(realpath --relative-to=. '/usr/local/with blank')
            make -s install PREFIX=/usr/local/elsewhere LIBDIR="$relative" >/usr/said
            cat /usr/said
            cd /
            path=$(sed -n 's/.*, [.]load //p' /usr/said)
            echo "path: $(load "$path")"
            (eval "$(sed -n 's/^  for this user: //p' /usr/said)"; echo "variable: $(load)")
            PATH=$PATH:/usr/sbin:/sbin
            eval "$(sed -n 's/^  for all, as root: //p' /usr/said)"
            echo "configured: $(load)"
        """)
        self.assertNotIn("..", out)
        for way in ("path", "variable", "configured"):
            self.assertRegex(out, r"(?m)^%s: loaded naver_serp$" % way)

    def test_another_copy_is_found_first(self):
        """An older installation that the loader prefers is named, and not taken for this one."""
        out = self.namespace("""
            make -s install >/usr/said
            make -s install PREFIX=/usr/local/elsewhere
            make -s install
        """)
        self.assertIn("`.load naver_serp` finds another copy first: /usr/local/lib/libnaver_serp.so\n", out)
        self.assertIn('.load "/usr/local/elsewhere/lib/naver_serp"\n', out)
        self.assertTrue(out.endswith("`.load naver_serp` works from any folder.\n"), out)
        self.assertEqual(out.count("works from any folder"), 1)


class Man(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        for tool in ("go-md2man", "man", "groff"):
            if not shutil.which(tool):
                raise unittest.SkipTest(f"there is no {tool}: test/deps.sh package")
        make("build/naver_serp.7")
        cls.page = str(support.ROOT / "build" / "naver_serp.7")

    def rendered(self):
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", self.page],
                              capture_output=True, text=True, timeout=60, check=True,
                              env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
        self.assertEqual(done.stderr, "")
        return done.stdout

    def test_no_warning(self):
        """man --warnings at 80 columns and groff -ww find nothing to say."""
        self.rendered()
        done = subprocess.run(["groff", "-k", "-t", "-ww", "-man", "-Tutf8", "-rLL=80n", self.page],
                              capture_output=True, text=True, timeout=60, check=True)
        self.assertEqual(done.stderr, "")

    def test_it_is_found_by_name(self):
        """apropos gets the name and the line about it."""
        done = subprocess.run(["lexgrog", self.page], capture_output=True, text=True, check=True)
        self.assertIn('"naver_serp - query Naver search results with SQL', done.stdout)

    def test_it_says_what_the_readme_says(self):
        """All settings with their defaults, states with their codes, and columns are there."""
        page = self.rendered()
        con = support.connect()
        for key, value in con.execute("SELECT key, value FROM json_each(naver_serp_config())"):
            self.assertRegex(page, r"│%s +│ ?%s +│" % (key, re.escape(str(value))))
        self.assertRegex(page, r"│pending +│ ?in the queue[^│]+│ ?20100, 40601, 40602 +│ ?no +│")
        for name in support.value(con, "SELECT group_concat(name) FROM"
                                       " pragma_table_info('naver_serp')").split(","):
            self.assertRegex(page, r"\b%s\b" % name)
        for line in ("NAME", "SYNOPSIS", "WHAT CAN GO WRONG", "COLUMNS", "SETTINGS", "SEE ALSO"):
            self.assertRegex(page, r"(?m)^%s$" % line)
        self.assertNotIn("make bench", page)

    def test_it_names_no_place_of_the_source(self):
        """Away from the source's folder its paths and sections mean nothing; FILES says where things are."""
        page = self.rendered()
        self.assertEqual(re.findall(r"build/|data/|see Install|a path such as naver_serp", page), [])
        self.assertRegex(page, r"(?m)^FILES$")
        self.assertIn("/usr/share/naver_serp", page)

    def test_it_fits_the_line(self):
        """Tables are no wider than 80 columns, code is indented little, sentences are a blank apart."""
        page = self.rendered()
        self.assertEqual([line for line in re.findall(r"(?m)^ {7}[┌│├└].*", page) if len(line) > 80], [])
        self.assertIn("\n         .load naver_serp\n", page)
        self.assertNotRegex(page, r"\w\.  \w")


@unittest.skipUnless(shutil.which("dpkg-shlibdeps") and shutil.which("go-md2man"),
                     "there is no dpkg-shlibdeps or go-md2man: test/deps.sh package")
class Deb(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        out = make("deb", "BUILD=" + cls.folder.name).stdout
        cls.path = out.splitlines()[-1]

    def field(self, name):
        return subprocess.run(["dpkg-deb", "-f", self.path, name], capture_output=True, text=True,
                              check=True).stdout.strip()

    def test_dependencies(self):
        """What dpkg-shlibdeps finds in the library: the C library, libcurl, cJSON."""
        for name in ("libc6", "libcurl4", "libcjson1"):
            self.assertRegex(self.field("Depends"), r"(^|, )%s \(>= [0-9.]+\)" % name)
        self.assertEqual(self.field("Package"), PACKAGE)
        version = re.search(r"(?m)^VERSION += (.+)$", (support.ROOT / "Makefile").read_text())[1]
        self.assertEqual(self.field("Version"), version)

    def test_same_source_same_package(self):
        """Built again, elsewhere and under another mask, it is the same byte for byte."""
        first = hashlib.sha256(pathlib.Path(self.path).read_bytes()).hexdigest()
        with tempfile.TemporaryDirectory() as folder:
            mask = os.umask(0o077)
            try:
                out = make("deb", "BUILD=" + folder, LC_ALL="C.UTF-8", TZ="Asia/Seoul").stdout
            finally:
                os.umask(mask)
            again = pathlib.Path(out.splitlines()[-1]).read_bytes()
        self.assertEqual(hashlib.sha256(again).hexdigest(), first)

    def test_documents(self):
        """The licence and the changes of this version are in it; checksums are of its files."""
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["dpkg-deb", "-R", self.path, folder], check=True)
            doc = pathlib.Path(folder, "usr/share/doc", PACKAGE)
            terms = (doc / "copyright").read_text(encoding="utf-8")
            self.assertIn("Permission is hereby granted", terms)
            self.assertIn("Copyright: 2026 The naver_serp authors\n", terms)
            with gzip.open(doc / "changelog.gz", "rt", encoding="utf-8") as f:
                changes = f.read()
            self.assertEqual([line for line in changes.split("\n")[:-2] if len(line) > 80], [])
            self.assertRegex(changes, r"\A%s \(%s\) .*\n\n  \* " % (PACKAGE, self.field("Version")))
            subprocess.run(["md5sum", "--check", "--quiet", "DEBIAN/md5sums"], cwd=folder, check=True)
            sums = pathlib.Path(folder, "DEBIAN/md5sums").read_text().split()[1::2]
            there = [f for f in files(pathlib.Path(folder, "usr")) if not f.endswith("/naver_serp.so")]
            self.assertEqual(sorted(sums), sorted("usr/" + f for f in there))

    def test_installs_and_removes(self):
        """dpkg -i: loads by name, man page there, dpkg -V content; dpkg -r: nothing left."""
        out = in_namespace(f"""
            listing() {{ find /usr /etc ! -type d ! -name ld.so.cache | sort; }}
            before=$(listing)
            dpkg -i '{self.path}' >/usr/said 2>&1 || {{ cat /usr/said; exit 1; }}
            rm /usr/said
            load
            dpkg -s {PACKAGE} | grep ^Status:
            dpkg -V {PACKAGE} && echo verified
            [ -e /usr/share/man/man7/naver_serp.7.gz ] && echo man page
            dpkg -P {PACKAGE} >/dev/null 2>&1 && echo removed
            load
            [ "$before" = "$(listing)" ] && echo nothing left
        """)
        if out is None:
            self.skipTest("no mount namespace with overlays here (needs root or user namespaces)")
        lines = out.splitlines()
        self.assertEqual(lines[0], "loaded naver_serp")
        self.assertEqual(lines[1:5], ["Status: install ok installed", "verified", "man page",
                                      "removed"], out)
        self.assertIn("cannot open shared object", lines[5])
        self.assertEqual(lines[-1], "nothing left")


if __name__ == "__main__":
    unittest.main()
