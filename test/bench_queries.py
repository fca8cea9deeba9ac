"""Questions to a stored archive, asked in every way there is: wall-clock time, rows fetched.

  naver_serp     the virtual table
  stored tables  the same question to naver_serp_items and naver_serp_tasks, same connection
  json_each      SQLite's JSON functions over the bodies of naver_serp_cache, same file
  jq             a process over one file with an answer a line, its start included
  DuckDB         read_json over that file with typed columns, in a running process

jq and DuckDB ask for one task's rows in a file of that answer alone.
"""

import json
import os
import subprocess
import sys

import bench_corpus
from bench_table import Peer, calling, compare, ms, progress, ratio, table

HERE = os.path.dirname(os.path.abspath(__file__))
DUCKDB = "@duckdb/node-api"
DUCKDB_VERSION = "1.5.6-r.1"

# Over the bodies: c the row of naver_serp_cache, i an item.
BODIES = "naver_serp_cache c, json_each(CAST(c.body AS TEXT), '$.tasks[0].result[0].items') i"
KEYWORD = "CAST(c.body AS TEXT) ->> '$.tasks[0].result[0].keyword'"
STORED = "naver_serp_items i JOIN naver_serp_tasks t ON t.task = i.task"
TASK = "naver_serp_tasks t JOIN naver_serp_items i ON i.item BETWEEN t.first_item AND t.last_item"
SCAN = "stored 1.50 or less; json_each 10, DuckDB 20 or more"

# For each question: SQL for naver_serp, the stored tables and json_each; a program for jq;
# SQL for DuckDB, in which {read} gives the columns `id`, `keyword` and `i`, an item, and the
# members of an item that are read. In all, {domain} and {id} are put in. A peer that is not
# named is not asked. The stored tables are asked in the way that is fastest: `+type` and NOT
# INDEXED keep SQLite 3.40 from building an index for one join, and from following that of the
# domains. So is jq, where `+=` would copy the whole object. json_each is asked as people write
# it, where GROUP BY sorts whole items, and once as one who knows that would.
QUESTIONS = {
    "count by type": {
        "goal": SCAN,
        "naver_serp": "SELECT type, count(*) FROM naver_serp GROUP BY 1 ORDER BY 1",
        "stored tables": "SELECT type, count(*) FROM naver_serp_items GROUP BY 1 ORDER BY 1",
        "json_each": f"SELECT i.value ->> 'type', count(*) FROM {BODIES} GROUP BY 1 ORDER BY 1",
        "jq": "reduce (inputs.tasks[0].result[0].items[].type) as $t"
              " ({}; setpath([$t]; getpath([$t]) + 1))"
              " | to_entries | sort_by(.key)[] | [.key, .value]",
        "DuckDB": "SELECT i.type, count(*) FROM {read} GROUP BY ALL ORDER BY ALL",
        "members": "type VARCHAR",
    },
    "the same, with json_each's type taken out before GROUP BY": {
        "goal": "",
        "naver_serp": "SELECT type, count(*) FROM naver_serp GROUP BY 1 ORDER BY 1",
        "json_each": f"SELECT type, count(*) FROM (SELECT i.value ->> 'type' AS type FROM {BODIES}"
                     " LIMIT -1) GROUP BY 1 ORDER BY 1",
    },
    "one domain's ranks over all keywords": {
        "goal": "",
        "naver_serp": "SELECT keyword, rank_absolute FROM naver_serp WHERE domain = '{domain}'"
                      " ORDER BY 1, 2",
        "stored tables": f"SELECT t.keyword, i.rank_absolute FROM {STORED}"
                         " WHERE i.domain = '{domain}' ORDER BY 1, 2",
        "json_each": f"SELECT {KEYWORD}, i.value ->> 'rank_absolute' FROM {BODIES}"
                     " WHERE i.value ->> 'domain' = '{domain}' ORDER BY 1, 2",
        "jq": "[inputs.tasks[0].result[0] | .keyword as $k | .items[]"
              " | select(.domain == \"{domain}\") | [$k, .rank_absolute]] | sort[]",
        "DuckDB": "SELECT keyword, i.rank_absolute FROM {read} WHERE i.domain = '{domain}'"
                  " ORDER BY ALL",
        "members": "domain VARCHAR, rank_absolute BIGINT",
    },
    "top domains among organic": {
        "goal": SCAN,
        "naver_serp": "SELECT domain, count(*) FROM naver_serp WHERE type = 'organic'"
                      " GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20",
        "stored tables": "SELECT domain, count(*) FROM naver_serp_items NOT INDEXED"
                         " WHERE type = 'organic' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20",
        "json_each": f"SELECT i.value ->> 'domain', count(*) FROM {BODIES}"
                     " WHERE i.value ->> 'type' = 'organic' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20",
        "jq": "reduce (inputs.tasks[0].result[0].items[] | select(.type == \"organic\").domain)"
              " as $d ({}; setpath([$d]; getpath([$d]) + 1))"
              " | to_entries | sort_by(-.value, .key)[:20][] | [.key, .value]",
        "DuckDB": "SELECT i.domain, count(*) FROM {read} WHERE i.type = 'organic'"
                  " GROUP BY ALL ORDER BY 2 DESC, 1 LIMIT 20",
        "members": "type VARCHAR, domain VARCHAR",
    },
    "a JSON column opened: how many links, and whereto": {
        "goal": SCAN,
        "naver_serp": "SELECT count(*), sum(json_array_length(links)),"
                      " sum(length(links ->> '$[0].url')) FROM naver_serp WHERE links IS NOT NULL",
        "stored tables": "SELECT count(*), sum(json_array_length(links)),"
                         " sum(length(links ->> '$[0].url')) FROM naver_serp_items"
                         " WHERE links IS NOT NULL",
        "json_each": "SELECT count(*), sum(json_array_length(i.value, '$.links')),"
                     f" sum(length(i.value ->> '$.links[0].url')) FROM {BODIES}"
                     " WHERE i.value ->> 'links' IS NOT NULL",
        "jq": "reduce (inputs.tasks[0].result[0].items[].links | select(. != null)) as $l"
              " ([0, 0, 0]; [.[0] + 1, .[1] + ($l | length), .[2] + ($l[0].url | length)])",
        "DuckDB": "SELECT count(*), sum(len(i.links)), sum(length(i.links[1].url)) FROM {read}"
                  " WHERE i.links IS NOT NULL",
        "members": "links STRUCT(url VARCHAR)[]",
    },
    "one task's rows": {
        "goal": "",
        "naver_serp": "SELECT rank_absolute, type, domain, title, url FROM naver_serp"
                      " WHERE id = '{id}'",
        "stored tables": f"SELECT rank_absolute, i.type, domain, title, url FROM {TASK}"
                         " WHERE t.id = '{id}'",
        "json_each": "SELECT i.value ->> 'rank_absolute', i.value ->> 'type', i.value ->> 'domain',"
                     f" i.value ->> 'title', i.value ->> 'url' FROM {BODIES} WHERE c.id = '{{id}}'",
        "jq": "inputs.tasks[0].result[0].items[] | [.rank_absolute, .type, .domain, .title, .url]",
        "DuckDB": "SELECT i.rank_absolute, i.type, i.domain, i.title, i.url FROM {read}",
        "members": "rank_absolute BIGINT, type VARCHAR, domain VARCHAR, title VARCHAR, url VARCHAR",
        "file": "one.jsonl",
    },
    "{ids} stored ids of a table joined one by one": {
        "goal": "stored 2.00 or less",
        "naver_serp": "SELECT m.team, count(*), sum(s.rank_absolute) FROM my_tasks m"
                      " JOIN naver_serp s ON s.id = m.id WHERE s.type = 'organic'"
                      " GROUP BY 1 ORDER BY 1",
        "stored tables": "SELECT m.team, count(*), sum(i.rank_absolute)"
                         f" FROM my_tasks m, {TASK} WHERE t.id = m.id AND +i.type = 'organic'"
                         " GROUP BY 1 ORDER BY 1",
        "json_each": "SELECT m.team, count(*), sum(i.value ->> 'rank_absolute')"
                     f" FROM my_tasks m, {BODIES} WHERE c.id = m.id"
                     " AND i.value ->> 'type' = 'organic' GROUP BY 1 ORDER BY 1",
        "jq": "reduce (inputs.tasks[0] | $my_tasks[0][.id] as $team | select($team)"
              " | .result[0].items[] | select(.type == \"organic\") | [$team, .rank_absolute])"
              " as [$team, $rank] ({}; setpath([$team];"
              " getpath([$team]) as [$n, $sum] | [$n + 1, $sum + $rank]))"
              " | to_entries | sort_by(.key)[] | [.key] + .value",
        "DuckDB": "SELECT m.team, count(*), sum(i.rank_absolute) FROM {read}"
                  " JOIN my_tasks m USING (id) WHERE i.type = 'organic' GROUP BY ALL ORDER BY ALL",
        "members": "type VARCHAR, rank_absolute BIGINT",
    },
}
PEERS = ("naver_serp", "stored tables", "json_each", "jq", "DuckDB")


class DuckDB:
    """A process of node that answers SQL; `version` is None where there is none, `why` says why."""

    def __init__(self, folder, patience):
        self.process, self.version, self.why = None, None, None
        try:
            self.why = self.install(folder, patience) or self.start(folder)
        except FileNotFoundError as error:
            self.why = "there is no %s" % error.filename
        except subprocess.TimeoutExpired:
            self.why = "npm took more than %d s" % patience

    @staticmethod
    def install(folder, patience):
        """Puts the package into folder/node_modules unless it is there; returns what is wrong."""
        there = os.path.join(folder, "node_modules", DUCKDB, "package.json")
        if os.path.exists(there):
            with open(there) as f:
                if json.load(f)["version"] == DUCKDB_VERSION:
                    return None
        progress("installing %s into build/ (at most %d s)" % (DUCKDB, patience))
        done = subprocess.run(
            ["npm", "install", "--prefix", folder, "--no-save", "--no-audit", "--no-fund",
             "--fetch-retries=0", "%s@%s" % (DUCKDB, DUCKDB_VERSION)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience)
        return "npm install failed" if done.returncode else None

    def start(self, folder):
        self.process = subprocess.Popen(
            ["node", os.path.join(HERE, "bench_duckdb.js"), folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        first = json.loads(self.process.stdout.readline() or '{"error": "node says nothing"}')
        if "error" in first:
            return first["error"].splitlines()[0]
        self.version = first["rows"][0][0]
        return None

    def run(self, sql, times=1):
        """Seconds that it took, and the rows."""
        self.process.stdin.write(json.dumps({"sql": sql, "times": times}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "DuckDB ended"}')
        if "error" in answer:
            sys.exit("bench: DuckDB: " + answer["error"])
        return answer["seconds"], [tuple(row) for row in answer["rows"]]

    def close(self):
        if self.process:
            self.process.stdin.close()
            self.process.wait()
            self.process.stdout.close()


class Archive:
    """The same answers in a store, in a file with an answer a line, and one alone in a file."""

    def __init__(self, con, folder, domain, n, duckdb):
        self.con, self.folder, self.duckdb = con, folder, duckdb
        self.values = {"{domain}": domain, "{id}": bench_corpus.task_id(n // 2)}
        teams = [(i, "team %d" % (k % 7)) for k, i in enumerate(bench_corpus.some_ids(n))]
        con.execute("CREATE TEMP TABLE my_tasks(id TEXT, team TEXT)")
        con.executemany("INSERT INTO my_tasks VALUES (?, ?)", teams)
        with open(self.path("my_tasks.json"), "w") as f:
            json.dump(dict(teams), f)
        with open(self.path("one.jsonl"), "wb") as f:
            f.write(con.execute("SELECT body FROM naver_serp_cache WHERE id = ?",
                                (self.values["{id}"],)).fetchone()[0] + b"\n")
        if duckdb.version:
            duckdb.run("CREATE TABLE my_tasks(id VARCHAR, team VARCHAR)")
            duckdb.run("INSERT INTO my_tasks VALUES "
                       + ", ".join("('%s', '%s')" % row for row in teams))
        self.n_ids = len(teams)

    def path(self, name):
        return os.path.join(self.folder, name)

    def filled(self, text):
        for name, value in self.values.items():
            text = text.replace(name, value)
        return text

    def peers(self, question):
        """The peers that can answer it, naver_serp first."""
        file = self.path(question.get("file", "corpus.jsonl"))
        found = []
        for name in PEERS:
            text = self.filled(question.get(name, ""))
            if not text or name == "DuckDB" and not self.duckdb.version:
                call = None
            elif name == "jq":
                call = calling(lambda text=text: self.jq(text, file))
            elif name == "DuckDB":
                sql = text.replace("{read}", self.read_json(file, question["members"]))
                call = lambda times, sql=sql: self.duckdb.run(sql, times)  # noqa: E731
            else:
                call = calling(lambda text=text: self.con.execute(text).fetchall())
            found.append(Peer(name, call))
        return found

    def jq(self, program, file):
        done = subprocess.run(["jq", "-nc", "--slurpfile", "my_tasks", self.path("my_tasks.json"),
                               program, file], capture_output=True, check=True)
        return [tuple(json.loads(line)) for line in done.stdout.splitlines()]

    @staticmethod
    def read_json(file, members):
        shape = ("STRUCT(id VARCHAR, result STRUCT(keyword VARCHAR, items STRUCT(%s)[])[])[]"
                 % members)
        return ("(SELECT tasks[1].id AS id, tasks[1].result[1].keyword AS keyword,"
                " unnest(tasks[1].result[1].items) AS i FROM read_json('%s',"
                " format = 'newline_delimited', columns = {tasks: '%s'}))" % (file, shape))


def measure(archive, runs):
    """Prints the table of all questions."""
    rows = []
    for name, question in QUESTIONS.items():
        name = name.replace("{ids}", "{:,}".format(archive.n_ids))
        peers = archive.peers(question)
        compare(name, peers, runs)
        ours = peers[0].seconds
        cells = [ms(ours)]
        for p in peers[1:]:
            if p.seconds is None:
                cells.append("-")
            elif p.name == "stored tables":
                cells.append("%s (%s)" % (ms(p.seconds), ratio(ours, p.seconds)))
            else:
                cells.append("%s (%s)" % (ms(p.seconds), ratio(p.seconds, ours)))
        rows.append([name, str(len(peers[0].found)), *cells, question["goal"]])
    table("Questions: milliseconds; in brackets naver_serp's time over that of the stored tables,"
          " and the others' over naver_serp's",
          ("question", "rows", *PEERS, "goal"), rows)
