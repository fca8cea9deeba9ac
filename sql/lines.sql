-- Tasks and items as lines of JSON, for engines that read no SQLite file.
--
--   sqlite3 -readonly serp.db < sql/lines.sql
--
-- writes naver_serp_tasks.jsonl and naver_serp_items.jsonl into the folder it is run in, and says
-- how many lines they have to have: the shell does not notice that the disk is full.
-- Needs no extension. Answers that are not parsed yet are left out: any naver_serp query
-- parses them (SELECT count(*) FROM naver_serp_task;).
--
-- A task is known by id, fetched_at ('' where the store has NULL) and result (0, but for an
-- answer of several results); an item by these and item, its place. Text is text, tabs, line
-- breaks and NULL included. A value that is no whole number is NULL where one belongs (in the
-- columns that are INTEGER in sql/store.sql); the cost has 15 digits; what is JSON in the store
-- is text that holds JSON.
--
-- To leave out what was handed over before, fill temp.handed beforehand with
-- hex(id) || ' ' || hex(fetched_at): sql/clickhouse.sh does.

.bail on
.mode list
.headers off
CREATE TEMP TABLE IF NOT EXISTS handed(answer TEXT PRIMARY KEY);
CREATE TEMP VIEW lines_tasks AS
  SELECT t.*, c.origin, ifnull(c.fetched_at, '') AS fetched_at,
         (SELECT count(*) FROM naver_serp_tasks AS o
           WHERE o.id = t.id AND o.task < t.task) AS result
    FROM naver_serp_tasks AS t JOIN naver_serp_cache AS c ON c.id = t.id AND c.parsed = t.stamp
   WHERE hex(c.id) || ' ' || hex(ifnull(c.fetched_at, '')) NOT IN (SELECT answer FROM handed);

-- Both files show the same moment.
BEGIN;
.output naver_serp_items.jsonl
SELECT json_object('id', t.id, 'fetched_at', t.fetched_at, 'result', t.result,
  'item', i.item - t.task * 16777216, 'keyword', t.keyword, 'device', t.device, 'tag', t.tag,
  'datetime', t.datetime,
  'type', i.type, 'rank_group', iif(typeof(i.rank_group) = 'integer', i.rank_group, NULL),
  'rank_absolute', iif(typeof(i.rank_absolute) = 'integer', i.rank_absolute, NULL),
  'domain', i.domain, 'title', i.title, 'url', i.url, 'description', i.description,
  'page', iif(typeof(i.page) = 'integer', i.page, NULL), 'position', i.position,
  'breadcrumb', i.breadcrumb, 'is_image', iif(typeof(i.is_image) = 'integer', i.is_image, NULL),
  'is_video', iif(typeof(i.is_video) = 'integer', i.is_video, NULL),
  'is_featured_snippet',
  iif(typeof(i.is_featured_snippet) = 'integer', i.is_featured_snippet, NULL),
  'is_malicious', iif(typeof(i.is_malicious) = 'integer', i.is_malicious, NULL),
  'is_web_story', iif(typeof(i.is_web_story) = 'integer', i.is_web_story, NULL),
  'is_paid', iif(typeof(i.is_paid) = 'integer', i.is_paid, NULL),
  'amp_version', iif(typeof(i.amp_version) = 'integer', i.amp_version, NULL),
  'pre_snippet', i.pre_snippet, 'extended_snippet', i.extended_snippet, 'timestamp', i.timestamp,
  'cache_url', i.cache_url, 'phone', i.phone, 'cid', i.cid, 'xpath', i.xpath,
  'rating', CAST(i.rating AS TEXT), 'highlighted', CAST(i.highlighted AS TEXT),
  'links', CAST(i.links AS TEXT), 'faq', CAST(i.faq AS TEXT),
  'extended_people_also_search', CAST(i.extended_people_also_search AS TEXT),
  'items', CAST(i.items AS TEXT), 'extra', CAST(i.extra AS TEXT),
  'description_rows', CAST(i.description_rows AS TEXT), 'rectangle', CAST(i.rectangle AS TEXT),
  'unmapped', CAST(i.unmapped AS TEXT))
  FROM lines_tasks AS t
  JOIN naver_serp_items AS i ON i.item BETWEEN t.first_item AND t.last_item;
.output naver_serp_tasks.jsonl
SELECT json_object('id', t.id, 'fetched_at', t.fetched_at, 'result', t.result, 'origin', t.origin,
  'state', t.state, 'status_code', iif(typeof(t.status_code) = 'integer', t.status_code, NULL),
  'status_message', t.status_message, 'keyword', t.keyword, 'se_domain', t.se_domain,
  'location_code', iif(typeof(t.location_code) = 'integer', t.location_code, NULL),
  'language_code', t.language_code, 'device', t.device, 'os', t.os, 'tag', t.tag,
  'check_url', t.check_url, 'datetime', t.datetime, 'spell', CAST(t.spell AS TEXT),
  'refinement_chips', CAST(t.refinement_chips AS TEXT), 'item_types', CAST(t.item_types AS TEXT),
  'se_results_count', iif(typeof(t.se_results_count) = 'integer', t.se_results_count, NULL),
  'pages_count', iif(typeof(t.pages_count) = 'integer', t.pages_count, NULL),
  'items_count', iif(typeof(t.items_count) = 'integer', t.items_count, NULL),
  'cost', iif(typeof(t.cost) IN ('integer', 'real'), t.cost, NULL), 'time', t.time,
  'data', CAST(t.data AS TEXT), 'path', CAST(t.path AS TEXT), 'version', t.version,
  'type', t.type, 'result_count', iif(typeof(t.result_count) = 'integer', t.result_count, NULL),
  'unmapped', CAST(t.unmapped AS TEXT))
  FROM lines_tasks AS t;
.output
SELECT (SELECT count(*) FROM lines_tasks) || ' tasks, ' || count(*) || ' items'
  FROM lines_tasks AS t
  JOIN naver_serp_items AS i ON i.item BETWEEN t.first_item AND t.last_item;
COMMIT;
