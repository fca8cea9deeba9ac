-- Collects the answers of what was posted. This costs nothing; run it as often as you like,
-- within 30 days of posting.
--
--   export DATAFORSEO_LOGIN=... DATAFORSEO_PASSWORD=...
--   sqlite3 serp.db < sql/collect.sql
--
-- Only what was posted in the last 31 days and is not stored is asked for. A task takes from
-- half a minute to a quarter of an hour; to wait for all of them:
-- NAVER_SERP_WAIT_SECONDS=1200 sqlite3 serp.db < sql/collect.sql

.bail on
.load build/naver_serp
.read sql/store.sql
.mode box --wrap 0

.print Asked for
SELECT state, count(*) AS tasks, max(status_message) AS said FROM naver_serp_task
 WHERE id IN (SELECT id FROM naver_serp_posts
               WHERE state = 'pending' AND posted_at > datetime('now', '-31 days')
                 AND id NOT IN (SELECT id FROM naver_serp_cache))
 GROUP BY state;

.print All that was posted
SELECT date(p.posted_at) AS posted, count(*) AS tasks,
       count(*) FILTER (WHERE t.state IN ('ready', 'empty')) AS answered,
       count(*) FILTER (WHERE p.state = 'pending' AND t.id IS NULL) AS pending,
       count(*) FILTER (WHERE t.state IN ('failed', 'gone') OR p.state <> 'pending') AS lost,
       round(sum(p.cost), 4) AS usd
  FROM naver_serp_posts AS p LEFT JOIN naver_serp_tasks AS t ON t.id = p.id
 GROUP BY 1 ORDER BY 1 DESC LIMIT 14;
