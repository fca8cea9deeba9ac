-- What is new, lost, up or down between two dates?
--
--   sqlite3 serp.db < sql/movers.sql
--   sqlite3 serp.db ".param set :domain blog.example.com" ".param set :from 20260301" \
--     ".param set :to 20260308" ".read sql/movers.sql"
--
-- Parameters (see sql/common.sql): :from and :to (the last two dates), :domain (all),
-- :keyword, :device, :limit.
--
-- A row is a site on a keyword and device, at its best rank. Only keywords with an answer
-- on both dates are compared; the last list says why the others are not: a task that is
-- pending or failed loses nobody a rank. An answer that says there are no results does.
-- unseen    there on one date, and on the other so few results were asked for that it
--           could not be: neither new nor lost
-- weight    how much of 1/rank was won or lost; the list begins with the heaviest

.bail on
.read sql/common.sql

DELETE FROM daily
 WHERE date NOT IN (SELECT from_date FROM span UNION ALL SELECT to_date FROM span);

DROP TABLE IF EXISTS temp.moves;
CREATE TEMP TABLE moves AS
SELECT *, CASE WHEN was AND NOT is_there THEN
                 iif(from_depth <= to_depth OR was_rank <= to_depth, 'lost', 'unseen')
               WHEN NOT was THEN iif(to_depth <= from_depth OR rank <= from_depth, 'new', 'unseen')
               WHEN rank < was_rank THEN 'up' WHEN rank > was_rank THEN 'down'
               WHEN rank = was_rank OR rank IS NULL AND was_rank IS NULL THEN 'same'
               ELSE 'no rank' END AS move,
       coalesce(1.0 / rank, 0) - coalesce(1.0 / was_rank, 0) AS weight
  FROM (SELECT w.keyword, w.device, w.site, p.from_depth, p.to_depth,
               max(w.date = s.from_date) AS was, max(w.date = s.to_date) AS is_there,
               min(iif(w.date = s.from_date, w.rank, NULL)) AS was_rank,
               min(iif(w.date = s.to_date, w.rank, NULL)) AS rank
          FROM span AS s
          JOIN wanted AS w ON w.date IN (s.from_date, s.to_date)
          JOIN pairs AS p ON p.keyword = w.keyword AND p.device IS w.device
         GROUP BY w.keyword, w.device, w.site);

.print Compared
SELECT from_date, to_date, (SELECT count(*) FROM pairs) AS keywords,
       coalesce((SELECT host || path FROM asked), 'all') AS domain
  FROM span;

.print Moves
SELECT move, count(*) AS times,
       printf('%.*c', max(1, 20 * count(*) / max(count(*)) OVER ()), '█') AS bar
  FROM moves GROUP BY move ORDER BY count(*) DESC, move;

.print The heaviest
SELECT move, coalesce(was_rank, iif(was, '?', '-')) AS before,
       coalesce(rank, iif(is_there, '?', '-')) AS now,
       iif(rank AND was_rank, printf('%+d', was_rank - rank), '') AS ranks,
       printf('%+.2f', weight) AS weight, device, site, keyword
  FROM moves WHERE move <> 'same'
 ORDER BY abs(weight) DESC, keyword, device, site LIMIT (SELECT most FROM asked);

.print Not compared, for want of an answer
WITH missing AS (
  SELECT d.keyword, d.device, iif(max(d.date) = s.to_date, s.from_date, s.to_date) AS date
    FROM span AS s JOIN daily AS d ON d.date IN (s.from_date, s.to_date)
   GROUP BY d.keyword, d.device HAVING count(DISTINCT d.date) = 1
), unanswered AS MATERIALIZED (
  SELECT t.keyword, t.device, group_concat(DISTINCT t.state) AS states,
         coalesce(date(t.datetime), (SELECT date(c.fetched_at) FROM naver_serp_cache AS c
                                      WHERE c.id = t.id)) AS date
    FROM naver_serp_tasks AS t WHERE t.state NOT IN ('ready', 'empty')
   GROUP BY 1, 2, 4
)
SELECT m.device, m.date AS missing, coalesce(u.states, 'no task') AS why, m.keyword
  FROM missing AS m LEFT JOIN unanswered AS u
       ON u.keyword = m.keyword AND u.device IS m.device AND u.date = m.date
 ORDER BY m.keyword, m.device LIMIT (SELECT most FROM asked);
