-- Which sites are on the same results pages as mine, and which of us is above?
--
--   sqlite3 serp.db ".param set :domain blog.example.com" ".read sql/neighbours.sql"
--
-- Parameters (see sql/common.sql): :domain (the site with the most results), :keyword,
-- :device, :to (the newest date), :from (30 days before), :limit. Of each keyword and device
-- the last answer in that time counts.
--
-- shared    pages (keyword and device) with both of us; of mine: in percent of my pages
-- above     on how many of them its best result is above my best; below: below it
-- its_rank  average of its best ranks on the shared pages; my_rank: of mine there

.bail on
.read sql/common.sql

DROP TABLE IF EXISTS temp.my;
CREATE TEMP TABLE my AS
SELECT item, task, keyword, device, rank FROM mine WHERE task IN (SELECT task FROM latest);

.print Neighbours of
SELECT host || path AS domain,
       (SELECT count(*) FROM (SELECT DISTINCT keyword, device FROM my)) AS pages,
       (SELECT count(*) FROM (SELECT DISTINCT keyword, device FROM latest)) AS of_pages,
       (SELECT min(rank) FROM my) AS best
  FROM me;

.print
WITH own AS MATERIALIZED (
  SELECT keyword, device, min(rank) AS rank FROM my GROUP BY keyword, device
), others AS MATERIALIZED (
  SELECT keyword, device, site, min(rank) AS rank FROM organic
   WHERE task IN (SELECT task FROM my) AND item NOT IN (SELECT item FROM my)
   GROUP BY keyword, device, site
)
SELECT count(*) AS shared,
       printf('%d%%', 100 * count(*) / (SELECT count(*) FROM own)) AS of_mine,
       printf('%.*c', max(1, 20 * count(*) / (SELECT count(*) FROM own)), '█') AS bar,
       coalesce(sum(b.rank < a.rank), 0) AS above, coalesce(sum(b.rank > a.rank), 0) AS below,
       printf('%.1f', avg(b.rank)) AS its_rank, printf('%.1f', avg(a.rank)) AS my_rank, site
  FROM own AS a JOIN others AS b ON b.keyword = a.keyword AND b.device IS a.device
 GROUP BY site ORDER BY shared DESC, above DESC, site LIMIT (SELECT most FROM asked);
