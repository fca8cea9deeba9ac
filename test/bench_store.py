"""Storing answers, and what else is paid once: wall-clock time.

  store       naver_serp_import of the bodies in one transaction, in memory and in a new file
  cJSON       cJSON_ParseWithLength and cJSON_Delete over the bodies, nothing else
  shredding   CREATE TABLE AS of every column by json_each over bodies that lie in a table of
              the same database; it neither stores bodies nor makes an index
  first row   of one stored task, from the prepare of a fresh statement and from its first
              step, through SQLite's C API
  loading     load_extension, and dlopen of the libcurl that the extension is linked with,
              each in new processes and measured inside them
  growth      one domain's ranks among many answers and among the first 2,000: the same rows
"""

import contextlib
import ctypes
import ctypes.util
import os
import statistics
import subprocess
import sys
import time

import bench_corpus
import support
from bench_queries import QUESTIONS, TASK
from bench_table import Peer, calling, compare, ms, progress, ratio, remove

HEADER = ("what", "ms", "against", "ms", "ratio", "goal")


def row(what, peer, against, other, goal, share=1):
    """A row of the table: two peers; `share` of their times is shown."""
    return [what, ms(peer.seconds / share), against, ms(other.seconds / share),
            ratio(peer.seconds, other.seconds), goal]


# ------------------------------------------------------------------------------- storing

def cjson():
    lib = ctypes.CDLL(ctypes.util.find_library("cjson"))
    lib.cJSON_ParseWithLength.restype = ctypes.c_void_p
    lib.cJSON_ParseWithLength.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    lib.cJSON_Delete.argtypes = [ctypes.c_void_p]
    lib.cJSON_Version.restype = ctypes.c_char_p
    return lib


def parse_all(lib, bodies):
    """How many are JSON."""
    parsed = 0
    for body in bodies:
        node = lib.cJSON_ParseWithLength(body, len(body))
        parsed += node is not None
        lib.cJSON_Delete(node)
    return parsed


def import_all(con, bodies):
    con.execute("BEGIN")
    for body in bodies:
        con.execute("SELECT naver_serp_import(?)", (body,)).fetchone()
    con.execute("COMMIT")


def item_columns(con):
    """The columns of an item that are members of its JSON."""
    return [name for _, name, *_ in con.execute("PRAGMA table_info(naver_serp_items)")
            if name not in ("item", "task", "odd", "unmapped")]


def storing(path, bodies):
    """A call for Peer: naver_serp_import into a new database; finds how many are ready."""
    def call(times):
        seconds = 0
        for _ in range(times):
            remove(path)
            with contextlib.closing(support.connect(path)) as con:
                seconds += calling(lambda: import_all(con, bodies))(1)[0]
                found = support.value(
                    con, "SELECT count(*) FROM naver_serp_tasks WHERE state = 'ready'")
        return seconds, found
    return call


def shredding(path, bodies, names):
    """A call for Peer: the same items by json_each; finds how many answers have some."""
    sql = ("CREATE TABLE shredded AS SELECT b.id, %s FROM bodies b,"
           " json_each(b.body, '$.tasks[0].result[0].items') i"
           % ", ".join("i.value ->> '%s' AS %s" % (name, name) for name in names))

    def call(times):
        seconds = 0
        for _ in range(times):
            remove(path)
            with contextlib.closing(support.connect(path)) as con:
                con.execute("CREATE TABLE bodies(id TEXT PRIMARY KEY, body TEXT)")
                con.execute("BEGIN")
                con.executemany("INSERT INTO bodies VALUES (?, ?)",
                                ((bench_corpus.task_id(i), body.decode())
                                 for i, body in enumerate(bodies)))
                con.execute("COMMIT")
                seconds += calling(lambda: con.execute(sql))(1)[0]
                found = support.value(con, "SELECT count(DISTINCT id) FROM shredded")
        return seconds, found
    return call


def same_rows(store, shredded, names):
    """Ends the bench unless the shredded rows are the stored ones, all of them."""
    with contextlib.closing(support.connect(store)) as con, \
            contextlib.closing(support.connect(shredded)) as other:
        ours = con.execute("SELECT t.id, %s FROM naver_serp_items i JOIN naver_serp_tasks t"
                           " ON t.task = i.task ORDER BY i.item"
                           % ", ".join("i." + name for name in names))
        theirs = other.execute("SELECT * FROM shredded ORDER BY rowid")
        for a in ours:
            b = theirs.fetchone()
            if a != b:
                sys.exit("bench: stored %.500r but shredded %.500r" % (a, b))
        if theirs.fetchone():
            sys.exit("bench: json_each shreds more rows than are stored")


def measure_storing(folder, bodies, runs):
    """Returns the rows of storing; leaves the store of the bodies in folder/store.db."""
    store, shredded = os.path.join(folder, "store.db"), os.path.join(folder, "shredded.db")
    with contextlib.closing(support.connect()) as con:
        import_all(con, bodies[:1])
        names = item_columns(con)
    lib = cjson()
    parse = Peer("cJSON", calling(lambda: parse_all(lib, bodies)))
    memory = Peer("import, memory", storing(":memory:", bodies))
    file = Peer("import, file", storing(store, bodies))
    shred_memory = Peer("json_each, memory", shredding(":memory:", bodies, names))
    shred_file = Peer("json_each, file", shredding(shredded, bodies, names))
    compare("storing %d answers" % len(bodies), [parse, memory, file, shred_memory, shred_file],
            runs)
    same_rows(store, shredded, names)
    remove(shredded)
    n = len(bodies)
    return [row("storing an answer, in memory", memory, "cJSON's parse alone", parse,
                "2.20 or less", n),
            row("storing an answer, in a file", file, "cJSON's parse alone", parse,
                "2.20 or less", n),
            row("shredding it by json_each, in memory", shred_memory, "storing it", memory,
                "4.00 or more", n),
            row("shredding it by json_each, in a file", shred_file, "storing it", file,
                "4.00 or more", n)]


# ----------------------------------------------------------------------------- first row

SQLITE_ROW = 100
FIRST_ROW = {
    "naver_serp": "SELECT rank_absolute, type, domain, title, url FROM naver_serp"
                  " WHERE id = ? LIMIT 1",
    "stored tables": "SELECT rank_absolute, i.type, domain, title, url FROM %s"
                     " WHERE t.id = ? LIMIT 1" % TASK,
}


class Raw:
    """A connection with the extension through SQLite's C API."""

    def __init__(self, path):
        self.lib = lib = ctypes.CDLL(ctypes.util.find_library("sqlite3"))
        lib.sqlite3_column_text.restype = lib.sqlite3_errmsg.restype = ctypes.c_char_p
        self.db, self.statement = ctypes.c_void_p(), ctypes.c_void_p()
        self.ok(lib.sqlite3_open(path.encode(), ctypes.byref(self.db)))
        self.ok(lib.sqlite3_enable_load_extension(self.db, 1))
        self.ok(lib.sqlite3_load_extension(self.db, support.EXTENSION.encode(), None, None))

    def ok(self, code, expected=0):
        if code != expected:
            sys.exit("bench: %s" % self.lib.sqlite3_errmsg(self.db).decode())

    def first_row(self, sql, task):
        """Seconds to the first row of a fresh statement, those of them after the prepare, and
        the row's columns as text."""
        lib, statement, task = self.lib, self.statement, task.encode()
        begun = time.perf_counter()
        code = lib.sqlite3_prepare_v2(self.db, sql, -1, ctypes.byref(statement), None)
        prepared = time.perf_counter()
        self.ok(code)
        lib.sqlite3_bind_text(statement, 1, task, len(task), None)
        bound = time.perf_counter()
        code = lib.sqlite3_step(statement)
        stepped = time.perf_counter()
        self.ok(code, SQLITE_ROW)
        found = [lib.sqlite3_column_text(statement, k) for k in range(5)]
        lib.sqlite3_finalize(statement)
        return prepared - begun + stepped - bound, stepped - bound, found

    def close(self):
        self.lib.sqlite3_close_v2(self.db)


def measure_first_row(path, n, rounds):
    """Two rows: from the prepare on, and from the first step on."""
    progress("first row of a stored task, %d statements" % (2 * rounds))
    whole = {name: Peer(name, None) for name in FIRST_ROW}
    step = {name: Peer(name, None) for name in FIRST_ROW}
    with contextlib.closing(Raw(path)) as raw:
        ids = bench_corpus.some_ids(n)
        for k in range(rounds + 5):
            found = []
            for name, sql in FIRST_ROW.items():
                all_of_it, of_step, columns = raw.first_row(sql.encode(), ids[k % len(ids)])
                found.append(columns)
                if k >= 5:  # The first ones read the schema and fill the caches
                    whole[name].times.append(all_of_it)
                    step[name].times.append(of_step)
            if found[0] != found[1]:
                sys.exit("bench: first rows differ: %r" % (found,))
    return [row("first row of a stored task, " + what, *(
                peers["naver_serp"], "stored tables", peers["stored tables"], ""))
            for what, peers in (("prepare included", whole), ("after prepare", step))]


# ------------------------------------------------------------------------------- loading

LOAD = """
import ctypes, sqlite3, sys, time
con = sqlite3.connect(":memory:")
con.enable_load_extension(True)
begun = time.perf_counter()
%s
print(time.perf_counter() - begun)
"""


def seconds_of_loading(statement, path):
    done = subprocess.run([sys.executable, "-I", "-S", "-c", LOAD % statement, path],
                          capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure_loading(rounds):
    """One row; none where the process does not say which libcurl it has loaded."""
    progress("loading, %d processes" % (2 * rounds))
    support.connect().close()
    try:
        with open("/proc/self/maps") as f:
            libcurl = next(line.split()[-1] for line in f if "/libcurl" in line)
    except (OSError, StopIteration):
        return []
    ours, curl = Peer("load_extension", None), Peer("libcurl", None)
    for _ in range(rounds):
        ours.times.append(seconds_of_loading("con.load_extension(sys.argv[1])", support.EXTENSION))
        curl.times.append(seconds_of_loading("ctypes.CDLL(sys.argv[1])", libcurl))
    return [row("loading the extension", ours, "loading libcurl alone", curl, "1.20 or less")]


# -------------------------------------------------------------------------------- growth

def measure_growth(large, small, sizes, domain, runs):
    """Rows for naver_serp and the stored tables: one question to two stores."""
    rows = []
    with contextlib.closing(support.connect(large)) as a, \
            contextlib.closing(support.connect(small)) as b:
        for way in ("naver_serp", "stored tables"):
            sql = QUESTIONS["one domain's ranks over all keywords"][way].replace("{domain}", domain)
            peers = [Peer(path, calling(lambda con=con: con.execute(sql).fetchall()))
                     for path, con in ((large, a), (small, b))]
            compare("one domain's ranks, %s, in both stores" % way, peers, runs)
            rows.append(row("one domain's ranks among {:,} items, {}".format(sizes[0], way),
                            peers[0], "among {:,}".format(sizes[1]), peers[1],
                            "1.50 or less" if way == "naver_serp" else ""))
    return rows
