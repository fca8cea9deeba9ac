// DuckDB for test/bench.py: node bench_duckdb.js FOLDER, which holds node_modules.
//
// Reads lines of JSON from standard input: {"sql": a statement, "times": how often}. Answers
// each with a line: {"seconds": of all, "rows": of the last} or {"error": why}. The first line,
// unasked, is {"rows": [[DuckDB's version]]}.
'use strict';
const path = require('path');
const readline = require('readline');

const plain = (_, value) => (typeof value === 'bigint' ? Number(value) : value);
const say = (answer) => process.stdout.write(JSON.stringify(answer, plain) + '\n');

async function run(connection, sql, times) {
  let reader;
  const begun = process.hrtime.bigint();
  for (let n = 0; n < times; n++) reader = await connection.runAndReadAll(sql);
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  return { seconds, rows: reader.getRows() };
}

async function main(folder) {
  const { DuckDBInstance } = require(path.join(folder, 'node_modules', '@duckdb', 'node-api'));
  const connection = await (await DuckDBInstance.create(':memory:')).connect();
  say(await run(connection, 'SELECT version()', 1));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { sql, times } = JSON.parse(line);
    say(await run(connection, sql, times).catch((error) => ({ error: String(error) })));
  }
}

main(process.argv[2]).catch((error) => {
  say({ error: String(error) });
  process.exitCode = 1;
});
