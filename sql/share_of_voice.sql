-- Who is seen most, over all keywords?
--
--   sqlite3 serp.db < sql/share_of_voice.sql
--   sqlite3 serp.db ".param set :device mobile" ".param set :keyword '캠핑*'" \
--     ".read sql/share_of_voice.sql"
--
-- Parameters (see sql/common.sql): :keyword, :device, :to (the newest date), :from (30 days
-- before), :limit. Of each keyword and device the last answer in that time counts.
--
-- Every organic result weighs 1/rank: the first 1, the second a half, the tenth a tenth.
-- share     of the weight of all results, in percent; a site's results all add up
-- first     how many times it ranks first
-- best      its best rank
-- For another curve of attention, change `weight` below, for instance to
-- CASE WHEN rank <= 1 THEN 0.3 WHEN rank <= 3 THEN 0.12 WHEN rank <= 10 THEN 0.03 END.

.bail on
.read sql/common.sql

DROP TABLE IF EXISTS temp.voices;
CREATE TEMP TABLE voices AS
SELECT site, keyword, device, rank, coalesce(1.0 / rank, 0) AS weight
  FROM organic WHERE task IN (SELECT task FROM latest);

.print Share of voice over
SELECT min(date) AS since, max(date) AS until, count(*) AS answers,
       count(DISTINCT keyword) AS keywords, (SELECT count(DISTINCT site) FROM voices) AS sites,
       (SELECT printf('%.2f', total(weight)) FROM voices) AS weight
  FROM (SELECT DISTINCT keyword, device, date FROM latest);

.print
SELECT printf('%.1f', percent) AS share,
       printf('%.*c', max(1, round(20 * sum / max(sum) OVER ())), '█') AS bar,
       printf('%.2f', sum) AS weight, keywords, results, first, best, site
  FROM (SELECT site, sum(weight) AS sum, count(DISTINCT keyword) AS keywords,
               100 * sum(weight) / sum(sum(weight)) OVER () AS percent,
               count(*) AS results, sum(rank IS 1) AS first, min(rank) AS best
          FROM voices GROUP BY site)
 WHERE sum > 0 ORDER BY sum DESC, site LIMIT (SELECT most FROM asked);
