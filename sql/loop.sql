-- From keywords to ranks: post, wait, collect, rank. Posting costs money.
--
--   export DATAFORSEO_LOGIN=... DATAFORSEO_PASSWORD=...
--   sqlite3 serp.db < sql/loop.sql
--
-- Reads the keywords from a table my_keywords(keyword, team). Run it again on another
-- day, and it posts and collects again; the last query shows the newest answers only.

.load build/naver_serp
.mode box
.bail on

CREATE TABLE IF NOT EXISTS my_keywords(keyword TEXT PRIMARY KEY, team TEXT);

-- Posted when this statement commits; if it fails, nothing is.
INSERT INTO naver_serp_post(keyword, device, tag) SELECT keyword, 'mobile', team FROM my_keywords;
SELECT state, count(*) AS tasks, sum(cost) AS usd FROM naver_serp_post GROUP BY state;

-- Tasks take from half a minute to a quarter of an hour: they are polled meanwhile.
SELECT naver_serp_config('wait_seconds', 1200) AS wait_seconds;
SELECT state, count(*) AS tasks FROM naver_serp_task
 WHERE id IN (SELECT id FROM naver_serp_post) GROUP BY state;

-- From here on everything is stored; no id, no network.
SELECT t.keyword, t.tag AS team, s.domain, min(s.rank_absolute) AS best_rank
  FROM naver_serp_task AS t JOIN naver_serp AS s ON s.id = t.id
 WHERE s.type = 'organic'
   AND t.datetime = (SELECT max(datetime) FROM naver_serp_tasks WHERE keyword = t.keyword)
 GROUP BY t.keyword, s.domain HAVING best_rank <= 5 ORDER BY t.keyword, best_rank;
