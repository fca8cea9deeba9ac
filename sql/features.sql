-- What is on the results pages besides links: by keyword, and over time?
--
--   sqlite3 serp.db < sql/features.sql
--   sqlite3 serp.db ".param set :from 20260301" ".param set :device mobile" \
--     ".read sql/features.sql"
--
-- Parameters (see sql/common.sql): :keyword, :device, :from and :to (all dates), :limit.
--
-- A feature is a type of element, whatever types there are; and of a type, "type +" what
-- some of its elements have: sitelinks, faq, rating, snippet (a featured one).
-- answers   answers of the date, those without any result too
-- with      how many of them show the feature
-- by keyword: features of the last answer, each with how many there are and the rank of
--           the first; new and gone: against the answer before

.bail on
.read sql/common.sql

DROP TABLE IF EXISTS temp.features;
CREATE TEMP TABLE features AS
SELECT keyword, device, date, feature, count(*) AS elements, min(rank) AS rank
  FROM (SELECT d.keyword, d.device, d.date, i.rank_absolute AS rank,
               CASE ways.way
                 WHEN 1 THEN coalesce(i.type, '(no type)')
                 WHEN 2 THEN iif(i.links <> '[]', i.type || ' + sitelinks', NULL)
                 WHEN 3 THEN iif(i.faq <> '[]', i.type || ' + faq', NULL)
                 WHEN 4 THEN iif(i.rating <> '{}', i.type || ' + rating', NULL)
                 WHEN 5 THEN iif(i.is_featured_snippet, i.type || ' + snippet', NULL)
               END AS feature
          FROM daily AS d
         CROSS JOIN naver_serp_items AS i ON i.item BETWEEN d.first_item AND d.last_item
         CROSS JOIN (SELECT 1 AS way UNION ALL VALUES (2), (3), (4), (5)) AS ways)
 WHERE feature IS NOT NULL
 GROUP BY keyword, device, date, feature;
CREATE INDEX temp.features_of ON features(keyword, date);

DROP TABLE IF EXISTS temp.answers;
CREATE TEMP TABLE answers AS
SELECT keyword, device, date, lag(date) OVER dates AS before,
       lead(date) OVER dates IS NULL AS is_last
  FROM (SELECT DISTINCT keyword, device, date FROM daily)
WINDOW dates AS (PARTITION BY keyword, device ORDER BY date);

.print Over time
WITH times AS (SELECT date, count(*) AS answers FROM answers GROUP BY date)
SELECT feature, date, answers, coalesce(seen, 0) AS "with",
       printf('%d%%', 100 * coalesce(seen, 0) / answers) AS share,
       iif(seen, printf('%.*c', max(1, 20 * seen / answers), '█'), '') AS bar
  FROM times CROSS JOIN (SELECT DISTINCT feature FROM features)
  LEFT JOIN (SELECT date, feature, count(*) AS seen FROM features GROUP BY date, feature)
       USING (date, feature)
 ORDER BY feature, date;

.print By keyword
.mode line
SELECT keyword, device, date,
       coalesce((SELECT group_concat(feature || ' ' || elements || coalesce(' @' || rank, ''), ', ')
                   FROM (SELECT * FROM features AS f
                          WHERE f.keyword = a.keyword AND f.device IS a.device
                            AND f.date = a.date ORDER BY feature)), 'no results') AS features,
       (SELECT group_concat(feature, ', ') FROM (
          SELECT feature FROM features AS f WHERE f.keyword = a.keyword
             AND f.device IS a.device AND f.date = a.date AND a.before IS NOT NULL
          EXCEPT
          SELECT feature FROM features AS f WHERE f.keyword = a.keyword
             AND f.device IS a.device AND f.date = a.before)) AS new,
       (SELECT group_concat(feature, ', ') FROM (
          SELECT feature FROM features AS f WHERE f.keyword = a.keyword
             AND f.device IS a.device AND f.date = a.before
          EXCEPT
          SELECT feature FROM features AS f WHERE f.keyword = a.keyword
             AND f.device IS a.device AND f.date = a.date)) AS gone
  FROM (SELECT * FROM answers WHERE is_last
         ORDER BY keyword, device LIMIT (SELECT most FROM asked)) AS a
 ORDER BY keyword, device;
.mode box --wrap 0
