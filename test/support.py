"""What the tests share: the extension loaded, the answers in data/, JSON read exactly.

Importing it takes NAVER_SERP_* and DATAFORSEO_* out of the environment: without
credentials no request can be sent, and no setting of the caller's changes a result.
"""
import json
import os
import pathlib
import re
import sqlite3
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXTENSION = os.environ.get("EXTENSION", str(ROOT / "build" / "naver_serp"))
SHELL = "sqlite3"
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
TABLES = ("naver_serp_cache", "naver_serp_tasks", "naver_serp_items")

for _name in list(os.environ):
    if _name.startswith(("NAVER_SERP_", "DATAFORSEO_")):
        del os.environ[_name]


def connect(path=":memory:", **pragmas):
    """A connection in autocommit mode, pragmas set, the extension loaded."""
    con = sqlite3.connect(path, isolation_level=None)
    for name, value in pragmas.items():
        con.execute(f"PRAGMA {name} = {value}")
    con.enable_load_extension(True)
    con.load_extension(EXTENSION)
    con.enable_load_extension(False)
    return con


def data_files():
    """Names of all answers: "sample.json", "states/gone_40401.json", ..."""
    data = ROOT / "data"
    return sorted(str(p.relative_to(data)) for p in data.rglob("*.json"))


def read_bytes(name):
    return (ROOT / "data" / name).read_bytes()


def read_json(name):
    return json.loads(read_bytes(name))


def ids():
    """{file name: task id} of data/, from what data/README.md and the answers say."""
    found = {}
    text = (ROOT / "data" / "README.md").read_text(encoding="utf-8")
    for name, task_id in re.findall(r"^\| (\w+\.json) \| `([0-9a-f-]{36})`", text, re.M):
        found["states/" + name] = task_id
    for name in data_files():
        if name not in found:
            found[name] = read_json(name)["tasks"][0]["id"]
    return found


def import_file(con, name):
    """Stores an answer of data/ through naver_serp_import; returns its id."""
    return con.execute("SELECT naver_serp_import(?)", (read_bytes(name),)).fetchone()[0]


def insert_body(con, task_id, body):
    """Puts a body (bytes: a BLOB, str: TEXT) into the store as people do by hand."""
    if not con.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", TABLES[:1]).fetchone():
        con.executescript((ROOT / "sql" / "store.sql").read_text(encoding="utf-8"))
    con.execute("INSERT INTO naver_serp_cache(id, body) VALUES (?, ?)", (task_id, body))


def stored(con):
    """Rows in all tables of the store; 0 also where there are no tables."""
    there = con.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'naver_serp_%'")
    return sum(con.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name, in there.fetchall())


def rows(con, sql, *values):
    """The rows as dicts."""
    cursor = con.execute(sql, values)
    names = [d[0] for d in cursor.description]
    return [dict(zip(names, row)) for row in cursor]


def value(con, sql, *values):
    """The first column of the first row."""
    return con.execute(sql, values).fetchone()[0]


def shell(sql, db=None, env=None, args=()):
    """Runs SQL and dot commands in the stock shell; returns stdout, stderr, exit code."""
    run = subprocess.run(
        [SHELL, "-init", os.devnull, "-batch", "-bail", *args,
         "-cmd", f".load '{EXTENSION}'", str(db) if db else ":memory:"],
        input=sql.encode(), capture_output=True, timeout=120, check=False,
        env={**os.environ, **(env or {})})
    return run.stdout.decode(), run.stderr.decode(), run.returncode


class Number(str):
    """A JSON number as it was written."""
    __slots__ = ()


class Pairs(list):
    """A JSON object: names and values in their order, repeated names included."""


def _clean(text):
    """Text as the extension gives it: no NUL, no half of a surrogate pair."""
    return re.sub("[\0\ud800-\udfff]", "\ufffd", text)


def _clean_all(node):
    if isinstance(node, Pairs):
        return Pairs((_clean(name), _clean_all(member)) for name, member in node)
    if isinstance(node, list):
        return [_clean_all(element) for element in node]
    if isinstance(node, str) and not isinstance(node, Number):
        return _clean(node)
    return node


def exact(body):
    """A JSON text with nothing lost: numbers as written, objects as pairs of members."""
    if isinstance(body, bytes):
        body = body.decode("utf-8", "replace")
    return _clean_all(json.loads(body.removeprefix("\ufeff"), object_pairs_hook=Pairs,
                                 parse_int=Number, parse_float=Number))


def member(node, name):
    """The first member of that name; None where there is none or this is no object."""
    return next((v for k, v in node if k == name), None) if isinstance(node, Pairs) else None


def answer(items="[]", task_id="03020115-1535-0066-0099-000000000001", data='{"keyword":"k"}',
           result=None, task_members=""):
    """The bytes of a small complete answer; the parts are JSON texts or bytes."""
    def raw(part):
        return part if isinstance(part, bytes) else part.encode("utf-8")
    if result is None:
        result = b'[{"type":"organic","items":' + raw(items) + b"}]"
    return (b'{"version":"0.1","status_code":20000,"status_message":"Ok.","tasks":[{"id":"'
            + raw(task_id) + b'","status_code":20000,"status_message":"Ok.","cost":0.0006,'
            + raw(task_members) + b'"data":' + raw(data) + b',"result":' + raw(result) + b"}]}")
