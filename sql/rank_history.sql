-- Where did my domain rank for each keyword, date by date?
--
--   sqlite3 serp.db ".param set :domain blog.example.com" ".read sql/rank_history.sql"
--
-- Parameters (see sql/common.sql): :domain (the site with the most results), :keyword,
-- :device, :from and :to (all dates). A keyword is listed if the domain ever ranked for it
-- in that time.
--
-- trend     a mark a check, oldest first, the last 30 of them: █ rank 1, ▇ to 3, ▆ to 5,
--           ▅ to 10, ▄ to 15, ▃ to 30, ▂ to 50, ▁ below; · not ranked; ? ranked, but
--           without a rank
-- rank      the best of the domain; - not among the results
-- moved     against the check before: +2 two ranks better, -2 two worse, = the same, new,
--           lost; ? one of the two answers asked for too few results to tell
-- results   how many results of the domain
-- Keywords come last: the shell of SQLite 3.40 takes a Korean letter for one column wide.

.bail on
.read sql/common.sql

DROP TABLE IF EXISTS temp.history;
CREATE TEMP TABLE history AS
WITH best AS MATERIALIZED (
  SELECT keyword, device, date, min(rank) AS rank, count(*) AS results, page
    FROM mine GROUP BY keyword, device, date
), checks AS (
  SELECT keyword, device, date, max(depth) AS depth
    FROM daily GROUP BY keyword, device, date
), found AS (
  SELECT c.*, b.keyword IS NOT NULL AS found, b.rank, b.results, b.page,
         CASE WHEN b.keyword IS NULL THEN '·' WHEN b.rank IS NULL THEN '?'
              WHEN b.rank <= 1 THEN '█' WHEN b.rank <= 3 THEN '▇' WHEN b.rank <= 5 THEN '▆'
              WHEN b.rank <= 10 THEN '▅' WHEN b.rank <= 15 THEN '▄' WHEN b.rank <= 30 THEN '▃'
              WHEN b.rank <= 50 THEN '▂' ELSE '▁' END AS mark
    FROM checks AS c
    LEFT JOIN best AS b ON b.keyword = c.keyword AND b.device IS c.device AND b.date = c.date
)
SELECT *, row_number() OVER so_far AS checks, sum(found) OVER so_far AS times_found,
       min(rank) OVER so_far AS best_rank, group_concat(mark, '') OVER so_far AS trend,
       lead(date) OVER so_far IS NULL AS is_last,
       sum(found) OVER (PARTITION BY keyword, device) AS ever,
       lag(found) OVER so_far AS was, lag(rank) OVER so_far AS was_rank,
       lag(depth) OVER so_far AS was_depth
  FROM found
WINDOW so_far AS (PARTITION BY keyword, device ORDER BY date);
DELETE FROM history WHERE ever = 0;

.print Ranks of
SELECT host || path AS domain, (SELECT count(DISTINCT keyword) FROM history) AS keywords,
       (SELECT sum(found) FROM history) AS times_ranked,
       (SELECT min(date) FROM history) AS since,
       (SELECT max(date) FROM history) AS until
  FROM me;

.print Each keyword
SELECT device, checks, times_found AS ranked, best_rank AS best, date AS last_check,
       CASE WHEN NOT found THEN '-' ELSE coalesce(rank, '?') END AS rank,
       substr(trend, -30) AS trend, keyword
  FROM history WHERE is_last ORDER BY rank, keyword, device;

.print Each check at which it ranked, or no longer did
SELECT date, device, CASE WHEN NOT found THEN '-' ELSE coalesce(rank, '?') END AS rank,
       CASE WHEN was IS NULL OR NOT found AND NOT was THEN ''
            WHEN NOT was THEN iif(depth <= was_depth OR rank <= was_depth, 'new', '?')
            WHEN NOT found THEN iif(was_depth <= depth OR was_rank <= depth, 'lost', '?')
            WHEN rank = was_rank THEN '='
            ELSE iif(was_rank - rank, printf('%+d', was_rank - rank), '?') END AS moved,
       iif(rank, printf('%.*c', max(1, 21 - rank), '█'), '') AS bar,
       results, keyword, substr(page, 1, 44) AS page
  FROM history WHERE found OR was ORDER BY keyword, device, date;
