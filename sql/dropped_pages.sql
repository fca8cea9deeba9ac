-- Which pages dropped out of the results between two dates?
--
--   sqlite3 serp.db ".param set :domain blog.example.com" ".read sql/dropped_pages.sql"
--
-- Parameters (see sql/common.sql): :from and :to (the last two dates), :domain (all),
-- :keyword, :device, :limit.
--
-- Only keywords with an answer on both dates are compared, as in sql/movers.sql; and not
-- counted as dropped is what could not be seen, because fewer results were asked for.
-- A page is its URL without http://, https://, www., m. and a slash at the end.
-- gone      everywhere: it is in no compared answer of :to any more; partly: in others it is
-- dropped   pages of results (keyword and device) it dropped from; still_on: it is still on
-- best      its best rank on those it dropped from; from: on which keyword

.bail on
.read sql/common.sql

DELETE FROM daily
 WHERE date NOT IN (SELECT from_date FROM span UNION ALL SELECT to_date FROM span);

DROP TABLE IF EXISTS temp.places;
CREATE TEMP TABLE places AS
SELECT w.keyword, w.device, w.site, w.page, max(w.date = s.to_date) AS is_there,
       min(iif(w.date = s.from_date, w.rank, NULL)) AS was_rank,
       p.from_depth <= p.to_depth
         OR min(iif(w.date = s.from_date, w.rank, NULL)) <= p.to_depth AS to_be_seen,
       iif(max(w.date = s.from_date), max(iif(w.date = s.from_date, w.title, NULL)), NULL) AS title
  FROM span AS s
  JOIN wanted AS w ON w.date IN (s.from_date, s.to_date)
  JOIN pairs AS p ON p.keyword = w.keyword AND p.device IS w.device
 WHERE w.page IS NOT NULL
 GROUP BY w.keyword, w.device, w.page;

.print Compared
SELECT from_date, to_date, (SELECT count(*) FROM pairs) AS keywords,
       coalesce((SELECT host || path FROM asked), 'all') AS domain
  FROM span;

.print Dropped
WITH counts AS (
  SELECT page, sum(NOT is_there AND to_be_seen) AS dropped, sum(is_there) AS still_on
    FROM places GROUP BY page
), drops AS (
  SELECT page, keyword, title, was_rank, row_number() OVER (PARTITION BY page
           ORDER BY was_rank IS NULL, was_rank, keyword, device) AS place
    FROM places WHERE NOT is_there AND to_be_seen
)
SELECT iif(still_on, 'partly', 'everywhere') AS gone, dropped, still_on,
       coalesce(was_rank, '?') AS best, substr(page, 1, 44) AS page, keyword AS "from",
       substr(title, 1, 24) AS title
  FROM drops JOIN counts USING (page)
 WHERE place = 1
 ORDER BY still_on > 0, dropped DESC, was_rank IS NULL, was_rank, page
 LIMIT (SELECT most FROM asked);
