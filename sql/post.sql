-- Posts my keywords, each at most once a day. This costs money.
--
--   export DATAFORSEO_LOGIN=... DATAFORSEO_PASSWORD=...
--   sqlite3 serp.db < sql/post.sql
--
-- The keywords are rows of the table my_keywords, which is made here if it is not there:
-- keyword, device ('desktop' or 'mobile'), tag. What was posted in the last 20 hours is left
-- out, so that a second run, by mistake or after a refusal, posts only what is missing.
-- Another time: sqlite3 serp.db ".param set :hours 160" ".read sql/post.sql".
--
-- They are posted when the INSERT commits, 100 a call. If some were not, this says so at its
-- end and fails. More than 100 have to be allowed:
-- NAVER_SERP_MAX_POST_TASKS=5000 sqlite3 serp.db < sql/post.sql
-- A process that is killed meanwhile leaves no record, and the next run posts again; what it
-- had created, and what nobody knows of (unreachable), is in naver_serp_ready once it is
-- done. Their answers: sql/collect.sql.

.bail on
.timeout 60000
.load build/naver_serp
.read sql/store.sql

CREATE TABLE IF NOT EXISTS my_keywords(
  keyword TEXT NOT NULL,
  device  TEXT NOT NULL DEFAULT 'desktop',
  tag     TEXT,
  PRIMARY KEY (keyword, device)
);

DROP TABLE IF EXISTS temp.before;
CREATE TEMP TABLE before(
  post INTEGER,
  -- With a time that is none, everything would be posted and paid again.
  hours INTEGER CONSTRAINT "write :hours as a whole number, such as 20"
        CHECK (typeof(hours) = 'integer' AND hours BETWEEN 1 AND 10000)
);
INSERT INTO before
SELECT coalesce(max(post), 0), coalesce(:hours, 20) FROM main.naver_serp_posts;

DROP VIEW IF EXISTS temp.posts;
CREATE TEMP VIEW posts AS -- is_unknown: the call broke off, and the task may be there
SELECT *, state = 'unreachable' AND status_message NOT LIKE 'not sent%' AS is_unknown
  FROM main.naver_serp_posts;

-- What the sandbox took for nothing does not count as posted.
INSERT INTO naver_serp_post(keyword, device, tag)
SELECT keyword, device, tag FROM my_keywords
 WHERE (CAST(keyword AS TEXT), device) NOT IN (
   SELECT keyword, coalesce(device, 'desktop') FROM posts
    WHERE posted_at > datetime('now', (SELECT printf('-%d hours', hours) FROM before))
      AND coalesce(cost, 1) > 0 AND (state = 'pending' OR is_unknown));

.mode box --wrap 0
.print Posted now
SELECT state, count(*) AS tasks, round(sum(cost), 4) AS usd, status_message AS said
  FROM posts WHERE post > (SELECT post FROM before)
 GROUP BY state, status_message;

DROP TABLE IF EXISTS temp.outcome;
CREATE TEMP TABLE outcome(
  missing INTEGER CONSTRAINT "not all keywords were posted, see above: run this again"
          CHECK (missing = 0),
  unknown INTEGER CONSTRAINT "of some nobody knows whether they were posted: see naver_serp_ready"
          CHECK (unknown = 0)
);
INSERT INTO outcome
SELECT total(state <> 'pending' AND NOT is_unknown), total(is_unknown)
  FROM posts WHERE post > (SELECT post FROM before);
