-- Where do several pages of mine compete for one keyword?
--
--   sqlite3 serp.db ".param set :domain blog.example.com" ".read sql/cannibalisation.sql"
--
-- Parameters (see sql/common.sql): :domain (the site with the most results), :keyword,
-- :device, :to (the newest date), :from (30 days before; of the second list: all dates).
--
-- Two signs: several pages among the results of one answer (the last one in that time), and
-- a best page that is another one from check to check.
-- A page is its URL without http://, https://, www., m. and a slash at the end; the same
-- page twice on a results page is one page, at its best rank.

.bail on
.read sql/common.sql

DROP TABLE IF EXISTS temp.my;
CREATE TEMP TABLE my AS
SELECT keyword, device, date, task, page, min(rank) AS rank FROM mine
 WHERE page IS NOT NULL GROUP BY keyword, device, date, page;

.print Cannibalisation within
SELECT host || path AS domain, count(DISTINCT keyword) AS keywords, count(DISTINCT page) AS pages
  FROM me LEFT JOIN my;

.print Several pages in one answer
SELECT device, date, pages, coalesce(rank, '?') AS rank, keyword, substr(page, 1, 44) AS page
  FROM (SELECT *, count(*) OVER (PARTITION BY keyword, device) AS pages,
               min(rank) OVER (PARTITION BY keyword, device) AS best
          FROM my WHERE task IN (SELECT task FROM latest))
 WHERE pages > 1 ORDER BY pages DESC, best IS NULL, best, keyword, device, rank IS NULL, rank, page
 LIMIT (SELECT most FROM asked);

.print The best page changed
WITH best AS (
  SELECT keyword, device, date, page, row_number() OVER (PARTITION BY keyword, device, date
                                               ORDER BY rank IS NULL, rank, page) AS place
    FROM my
), checks AS (
  SELECT *, page <> lag(page) OVER (PARTITION BY keyword, device ORDER BY date) AS changed
    FROM best WHERE place = 1
)
SELECT device, count(*) AS ranked, count(DISTINCT page) AS pages, sum(changed) AS changes,
       max(date) AS last_check, keyword, substr(page, 1, 50) AS last_page
  FROM checks GROUP BY keyword, device HAVING sum(changed) > 0
 ORDER BY changes DESC, keyword, device LIMIT (SELECT most FROM asked);
