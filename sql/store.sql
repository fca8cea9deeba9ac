-- The store of naver_serp: four ordinary tables, their indexes and triggers.
--
-- naver_serp makes them on its first write; reading this file into a database
-- makes them beforehand, so that saved answers can be put in without the extension:
--
--   sqlite3 serp.db < sql/store.sql
--   INSERT INTO naver_serp_cache(id, body) VALUES ('<task id>', readfile('answer.json'));
--
-- Whatever is put into naver_serp_cache is parsed by the next naver_serp query that
-- needs it. naver_serp_tasks and naver_serp_items are derived from the bodies: read
-- them, index them, build views on them; to change them, change the body.

-- The answers as received.
CREATE TABLE IF NOT EXISTS naver_serp_cache(
  id         TEXT PRIMARY KEY NOT NULL   -- task id, or any other text
             CHECK (typeof(id) = 'text' AND id <> '' AND instr(id, char(0)) = 0),
  origin     TEXT,                       -- host that sent it; NULL: put in by hand
  fetched_at TEXT                        -- UTC, in the API's own form
             DEFAULT (strftime('%Y-%m-%d %H:%M:%S +00:00', 'now')),
  parsed     INTEGER NOT NULL DEFAULT 0, -- stamp of its rows below; 0: there are none yet
  body       NOT NULL                    -- JSON in UTF-8: a BLOB, or TEXT put in by hand
);
CREATE INDEX IF NOT EXISTS naver_serp_cache_unparsed
  ON naver_serp_cache(id) WHERE parsed = 0;

-- One row per result of an answer (nearly always one), also for answers without items.
CREATE TABLE IF NOT EXISTS naver_serp_tasks(
  task             INTEGER PRIMARY KEY, -- number of this row in this file
  first_item       INTEGER NOT NULL,    -- its rows in naver_serp_items are
  last_item        INTEGER NOT NULL,    -- item BETWEEN first_item AND last_item
  stamp            INTEGER NOT NULL,    -- naver_serp_cache.parsed, a number of no meaning
  odd              INTEGER,             -- bit k: column k of naver_serp_task is text where
                                        -- JSON is usual, or JSON where text is
  id               TEXT NOT NULL,       -- naver_serp_cache.id
  state            TEXT NOT NULL,       -- ready, empty, pending, gone, failed, ...
  status_code      INTEGER,
  status_message   TEXT,
  keyword          TEXT,
  se_domain        TEXT,
  location_code    INTEGER,
  language_code    TEXT,
  device           TEXT,
  os               TEXT,
  tag              TEXT,
  datetime         TEXT,                -- UTC
  type             TEXT,
  se_results_count INTEGER,
  pages_count      INTEGER,
  items_count      INTEGER,             -- as the API says, not the rows that follow
  result_count     INTEGER,
  cost             NUMERIC,             -- USD
  time             TEXT,
  version          TEXT,
  check_url        TEXT,
  spell,                                -- JSON from here on
  refinement_chips,
  item_types,
  path,
  data,
  unmapped
);
CREATE INDEX IF NOT EXISTS naver_serp_tasks_id ON naver_serp_tasks(id);
CREATE INDEX IF NOT EXISTS naver_serp_tasks_unusable
  ON naver_serp_tasks(id) WHERE state IN ('pending', 'refused', 'unreachable');

-- One row per SERP item, in the order of the answer.
CREATE TABLE IF NOT EXISTS naver_serp_items(
  item                INTEGER PRIMARY KEY, -- task * 16777216 + place in the answer
  task                INTEGER NOT NULL,    -- naver_serp_tasks.task
  odd                 INTEGER,             -- as in naver_serp_tasks, for naver_serp
  type                TEXT,
  rank_group          INTEGER,
  rank_absolute       INTEGER,
  page                INTEGER,
  position            TEXT,
  is_image            INTEGER,
  is_video            INTEGER,
  is_featured_snippet INTEGER,
  is_malicious        INTEGER,
  is_web_story        INTEGER,
  is_paid             INTEGER,
  amp_version         INTEGER,
  domain              TEXT,
  timestamp           TEXT,
  phone               TEXT,
  cid                 TEXT,
  title               TEXT,
  breadcrumb          TEXT,
  url                 TEXT,
  description         TEXT,
  pre_snippet         TEXT,
  extended_snippet    TEXT,
  xpath               TEXT,
  cache_url           TEXT,
  rating,                                  -- JSON from here on
  highlighted,
  links,
  faq,
  extended_people_also_search,
  items,
  extra,
  description_rows,
  rectangle,
  unmapped                                 -- members that have no column, as an object
);

-- A body that is new, replaced (INSERT OR REPLACE fires no delete trigger), changed or
-- gone takes its derived rows with it. A body comes with rows only where their stamp is
-- its own: naver_serp itself writes them first. A row copied from another file has a
-- stamp of that file, and is parsed anew.
CREATE TRIGGER IF NOT EXISTS naver_serp_cache_insert AFTER INSERT ON naver_serp_cache
BEGIN
  DELETE FROM naver_serp_tasks WHERE id = new.id AND stamp <> new.parsed;
  UPDATE naver_serp_cache SET parsed = 0
   WHERE id = new.id AND parsed <> 0
     AND NOT EXISTS (SELECT 1 FROM naver_serp_tasks
                      WHERE id = new.id AND stamp = new.parsed);
END;
CREATE TRIGGER IF NOT EXISTS naver_serp_cache_update
AFTER UPDATE OF id, body ON naver_serp_cache
BEGIN
  DELETE FROM naver_serp_tasks WHERE id IN (old.id, new.id);
  UPDATE naver_serp_cache SET parsed = 0 WHERE id = new.id AND parsed <> 0;
END;
CREATE TRIGGER IF NOT EXISTS naver_serp_cache_delete AFTER DELETE ON naver_serp_cache
BEGIN
  DELETE FROM naver_serp_tasks WHERE id = old.id AND stamp = old.parsed;
END;
CREATE TRIGGER IF NOT EXISTS naver_serp_tasks_delete AFTER DELETE ON naver_serp_tasks
BEGIN
  DELETE FROM naver_serp_items WHERE item BETWEEN old.first_item AND old.last_item;
  UPDATE naver_serp_cache SET parsed = 0 WHERE id = old.id AND parsed = old.stamp;
END;

-- The last one: a change of the schema of temp ends every statement that has yet to open a
-- table, as CREATE TABLE AS does at its end, unless an index is made after it.
CREATE INDEX IF NOT EXISTS naver_serp_items_domain
  ON naver_serp_items(domain, odd); -- odd, so that questions about domains need no more

-- One row per task posted through naver_serp_post, in the order of posting. Unlike the
-- tables above it is made when something is posted for the first time, and it is the
-- only record of it: nothing re-derives it. Its id is naver_serp_tasks.id.
CREATE TABLE IF NOT EXISTS naver_serp_posts(
  post            INTEGER PRIMARY KEY, -- number of this row in this file
  keyword         TEXT,                -- the fields, as inserted
  priority        INTEGER,
  depth           INTEGER,
  max_crawl_pages INTEGER,
  device          TEXT,
  os              TEXT,
  se_domain       TEXT,
  search_param    TEXT,
  url             TEXT,
  tag             TEXT,
  options,                             -- JSON object of any other field
  id              TEXT,                -- task id; NULL: none was given
  state           TEXT,                -- pending: accepted; failed, refused: not;
                                       -- unreachable: nobody knows, see naver_serp_ready
  status_code     INTEGER,
  status_message  TEXT,
  cost            NUMERIC,             -- USD
  posted_at       TEXT                 -- UTC
);
