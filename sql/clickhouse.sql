-- Where tasks and items go in ClickHouse: run this on every server of the cluster.
--
--   clickhouse-client --multiquery < sql/clickhouse.sql
--   sql/clickhouse.sh serp.db
--
-- The cluster is called naver_serp in <remote_servers> of each server's configuration; one
-- server is a cluster of one shard. An answer lives on the shard that its id names, tasks and
-- items together. Written for 18.16 (Debian 12) and up.
--
--   naver_serp_tasks, naver_serp_items           the best answer of every id: query these
--   naver_serp_tasks_all, naver_serp_items_all   all that was ever loaded, also twice: load here
--   ..._local, ..._best                          what one shard holds of them
--
-- Columns are those of sql/lines.sql. Loading the same again changes nothing that the first
-- two show: equal keys are one row under FINAL, and a merge removes the others.

CREATE TABLE IF NOT EXISTS naver_serp_tasks_local(
  id String, fetched_at String, result Int64, origin Nullable(String),
  state Nullable(String), status_code Nullable(Int64), status_message Nullable(String),
  keyword Nullable(String), se_domain Nullable(String), location_code Nullable(Int64),
  language_code Nullable(String), device Nullable(String), os Nullable(String),
  tag Nullable(String), check_url Nullable(String), datetime Nullable(String),
  spell Nullable(String), refinement_chips Nullable(String), item_types Nullable(String),
  se_results_count Nullable(Int64), pages_count Nullable(Int64), items_count Nullable(Int64),
  cost Nullable(Float64), time Nullable(String), data Nullable(String), path Nullable(String),
  version Nullable(String), type Nullable(String), result_count Nullable(Int64),
  unmapped Nullable(String)
) ENGINE = ReplacingMergeTree() ORDER BY (id, fetched_at, result);

CREATE TABLE IF NOT EXISTS naver_serp_items_local(
  id String, fetched_at String, result Int64, item Int64,
  keyword Nullable(String), device Nullable(String), tag Nullable(String),
  datetime Nullable(String),
  type Nullable(String), rank_group Nullable(Int64), rank_absolute Nullable(Int64),
  domain Nullable(String), title Nullable(String), url Nullable(String),
  description Nullable(String), page Nullable(Int64), position Nullable(String),
  breadcrumb Nullable(String), is_image Nullable(Int64), is_video Nullable(Int64),
  is_featured_snippet Nullable(Int64), is_malicious Nullable(Int64),
  is_web_story Nullable(Int64), is_paid Nullable(Int64), amp_version Nullable(Int64),
  pre_snippet Nullable(String), extended_snippet Nullable(String), timestamp Nullable(String),
  cache_url Nullable(String), phone Nullable(String), cid Nullable(String),
  xpath Nullable(String), rating Nullable(String), highlighted Nullable(String),
  links Nullable(String), faq Nullable(String), extended_people_also_search Nullable(String),
  items Nullable(String), extra Nullable(String), description_rows Nullable(String),
  rectangle Nullable(String), unmapped Nullable(String)
) ENGINE = ReplacingMergeTree() ORDER BY (id, fetched_at, result, item);

-- Of an id that several stores had, the answer that sql/merge.sql would take: one of the API,
-- then one with rows, then the newest. Items are loaded before their tasks, so what is loaded
-- halfway is not seen.
CREATE VIEW IF NOT EXISTS naver_serp_tasks_best AS
  SELECT * FROM naver_serp_tasks_local FINAL WHERE (id, fetched_at) IN
    (SELECT id, argMax(fetched_at, concat(
       if(ifNull(origin, '') LIKE 'sandbox.%', '0', '1'),
       if(ifNull(state, '') = 'ready', '1', '0'), fetched_at))
       FROM naver_serp_tasks_local GROUP BY id);

CREATE VIEW IF NOT EXISTS naver_serp_items_best AS
  SELECT * FROM naver_serp_items_local FINAL WHERE (id, fetched_at) IN
    (SELECT id, argMax(fetched_at, concat(
       if(ifNull(origin, '') LIKE 'sandbox.%', '0', '1'),
       if(ifNull(state, '') = 'ready', '1', '0'), fetched_at))
       FROM naver_serp_tasks_local GROUP BY id);

CREATE TABLE IF NOT EXISTS naver_serp_tasks_all AS naver_serp_tasks_local
  ENGINE = Distributed(naver_serp, currentDatabase(), naver_serp_tasks_local, cityHash64(id));

CREATE TABLE IF NOT EXISTS naver_serp_items_all AS naver_serp_items_local
  ENGINE = Distributed(naver_serp, currentDatabase(), naver_serp_items_local, cityHash64(id));

CREATE TABLE IF NOT EXISTS naver_serp_tasks AS naver_serp_tasks_local
  ENGINE = Distributed(naver_serp, currentDatabase(), naver_serp_tasks_best);

CREATE TABLE IF NOT EXISTS naver_serp_items AS naver_serp_items_local
  ENGINE = Distributed(naver_serp, currentDatabase(), naver_serp_items_best);
