-- Collects the answers of what was posted. This costs nothing; run it as often as you like,
-- within 30 days of posting.
--
--   export DATAFORSEO_LOGIN=... DATAFORSEO_PASSWORD=...
--   sqlite3 serp.db < sql/collect.sql
--
-- Only what was posted in the last 31 days and is not stored is asked for. A task takes from
-- half a minute to a quarter of an hour; to wait for all of them:
-- NAVER_SERP_WAIT_SECONDS=1200 sqlite3 serp.db < sql/collect.sql
-- Fails where the API does not let us in or cannot be reached, and where the file takes no
-- answers. What it prints first is ready at the provider, of this account and not collected.
--
-- tasks     that were accepted on that day, UTC
-- lost      the provider gave up or does not know it; nobody collected it in 30 days

.bail on
.timeout 60000
.load build/naver_serp
.read sql/store.sql
.mode box --wrap 0

.print Ready
SELECT count(*) AS tasks FROM naver_serp_ready;

DROP VIEW IF EXISTS temp.accepted;
CREATE TEMP VIEW accepted AS -- has_dummy: what is stored is the sandbox's, and no answer
SELECT id, cost, posted_at,
       EXISTS (SELECT 1 FROM main.naver_serp_cache AS c
                WHERE c.id = p.id AND c.origin LIKE 'sandbox.%') AS has_dummy
  FROM main.naver_serp_posts AS p
 WHERE state = 'pending' AND posted_at > datetime('now', '-31 days');

-- Each answer is stored as it comes.
.print Asked for
SELECT state, count(*) AS tasks, max(status_message) AS said FROM naver_serp_task
 WHERE id IN (SELECT id FROM accepted
               WHERE has_dummy OR id NOT IN (SELECT id FROM main.naver_serp_cache))
 GROUP BY state;

.print Posted in the last 31 days
SELECT date(a.posted_at) AS posted, count(*) AS tasks,
       count(*) FILTER (WHERE t.state IN ('ready', 'empty')) AS answered,
       count(*) FILTER (WHERE t.id IS NULL) AS pending,
       count(*) FILTER (WHERE t.state IN ('failed', 'gone')) AS lost, round(sum(a.cost), 4) AS usd
  FROM accepted AS a LEFT JOIN main.naver_serp_tasks AS t ON t.id = a.id AND NOT a.has_dummy
 GROUP BY 1 ORDER BY 1 DESC;

-- What the file did not take is in temp, which a bare name means where there is one.
CREATE TEMP TABLE outcome(
  homeless INTEGER CONSTRAINT "this file takes no more answers: full, locked, or to read only?"
           CHECK (homeless = 0)
);
INSERT INTO outcome
SELECT count(*) FROM naver_serp_cache WHERE id NOT IN (SELECT id FROM main.naver_serp_cache);
DROP TABLE temp.outcome;
