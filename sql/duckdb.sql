-- Tasks and items in DuckDB and Parquet, from what sql/lines.sql wrote into this folder.
--
--   sqlite3 -readonly serp.db < sql/lines.sql && duckdb serp.duckdb < sql/duckdb.sql
--
-- makes the tables naver_serp_tasks and naver_serp_items (again, if they are there), and
-- naver_serp_tasks.parquet and naver_serp_items.parquet, which any engine reads. Types are
-- told, not guessed: a column that is NULL so far, or text that looks like a date, is the same
-- column tomorrow. DuckDB with its sqlite extension also reads the store itself:
-- ATTACH 'serp.db' (TYPE sqlite).

CREATE OR REPLACE TABLE naver_serp_tasks AS
  SELECT * FROM read_json('naver_serp_tasks.jsonl', format = 'newline_delimited',
    maximum_object_size = 67108864, columns = {
    id: 'VARCHAR', fetched_at: 'VARCHAR', result: 'BIGINT', origin: 'VARCHAR',
    state: 'VARCHAR', status_code: 'BIGINT', status_message: 'VARCHAR', keyword: 'VARCHAR',
    se_domain: 'VARCHAR', location_code: 'BIGINT', language_code: 'VARCHAR', device: 'VARCHAR',
    os: 'VARCHAR', tag: 'VARCHAR', check_url: 'VARCHAR', datetime: 'VARCHAR', spell: 'VARCHAR',
    refinement_chips: 'VARCHAR', item_types: 'VARCHAR', se_results_count: 'BIGINT',
    pages_count: 'BIGINT', items_count: 'BIGINT', cost: 'DOUBLE', time: 'VARCHAR',
    data: 'VARCHAR', path: 'VARCHAR', version: 'VARCHAR', type: 'VARCHAR',
    result_count: 'BIGINT', unmapped: 'VARCHAR'});

CREATE OR REPLACE TABLE naver_serp_items AS
  SELECT * FROM read_json('naver_serp_items.jsonl', format = 'newline_delimited',
    maximum_object_size = 67108864, columns = {
    id: 'VARCHAR', fetched_at: 'VARCHAR', result: 'BIGINT', item: 'BIGINT',
    keyword: 'VARCHAR', device: 'VARCHAR', tag: 'VARCHAR', datetime: 'VARCHAR',
    type: 'VARCHAR', rank_group: 'BIGINT', rank_absolute: 'BIGINT', domain: 'VARCHAR',
    title: 'VARCHAR', url: 'VARCHAR', description: 'VARCHAR', page: 'BIGINT',
    position: 'VARCHAR', breadcrumb: 'VARCHAR', is_image: 'BIGINT', is_video: 'BIGINT',
    is_featured_snippet: 'BIGINT', is_malicious: 'BIGINT', is_web_story: 'BIGINT',
    is_paid: 'BIGINT', amp_version: 'BIGINT', pre_snippet: 'VARCHAR',
    extended_snippet: 'VARCHAR', timestamp: 'VARCHAR', cache_url: 'VARCHAR', phone: 'VARCHAR',
    cid: 'VARCHAR', xpath: 'VARCHAR', rating: 'VARCHAR', highlighted: 'VARCHAR',
    links: 'VARCHAR', faq: 'VARCHAR', extended_people_also_search: 'VARCHAR', items: 'VARCHAR',
    extra: 'VARCHAR', description_rows: 'VARCHAR', rectangle: 'VARCHAR', unmapped: 'VARCHAR'});

COPY naver_serp_tasks TO 'naver_serp_tasks.parquet' (FORMAT parquet, COMPRESSION zstd);
COPY naver_serp_items TO 'naver_serp_items.parquet' (FORMAT parquet, COMPRESSION zstd);
