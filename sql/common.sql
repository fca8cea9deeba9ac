-- What the analyses share. Each of them reads this file first, from the folder that holds
-- sql/, with the sqlite3 shell and without the extension:
--
--   sqlite3 serp.db < sql/movers.sql
--   sqlite3 serp.db ".param set :domain blog.example.com" ".read sql/rank_history.sql"
--
-- It reads the tables of sql/store.sql and writes TEMP tables and views alone, so a file
-- that may not be written is as good; they stay until the shell ends, to go on from.
--
-- Parameters; all may be left out:
--   :domain   a domain in any case, with or without www. and m., which are taken for the
--             same site; *.example.com: a domain with all that are below it;
--             blog.example.com/me: what is below a folder
--   :keyword  one keyword, or a pattern such as 'camping*'
--   :device   desktop or mobile; both are never mixed, only shown together
--   :from     dates in UTC, as 20260301 (the shell takes 2026-03-01 for a subtraction)
--   :to
--   :limit    rows of a long list; 40
--
-- What counts: of each keyword, device and date the last answer that has results (ready)
-- or says that there are none (empty). A task that is pending, failed, gone or not there
-- says nothing about ranks. An answer without a datetime is dated by when it was fetched.
-- Ranks are rank_absolute; an element without one is there, but at no known rank. A result
-- without a domain is of no site and left out. Se_domain and location are not looked at.

.mode box --wrap 0
.headers on

DROP TABLE IF EXISTS temp.store_is_here;
CREATE TEMP TABLE store_is_here(
  tables INTEGER CONSTRAINT "no answers are stored in this file: is its name right?"
         CHECK (tables = 3)
);
INSERT INTO store_is_here SELECT count(*) FROM main.sqlite_schema
 WHERE name IN ('naver_serp_cache', 'naver_serp_tasks', 'naver_serp_items');

DROP VIEW IF EXISTS temp.wanted;
DROP VIEW IF EXISTS temp.mine;
DROP VIEW IF EXISTS temp.my_domains;
DROP VIEW IF EXISTS temp.organic;
DROP VIEW IF EXISTS temp.hits;
DROP VIEW IF EXISTS temp.latest;
DROP TABLE IF EXISTS temp.me;
DROP TABLE IF EXISTS temp.pairs;
DROP TABLE IF EXISTS temp.span;
DROP TABLE IF EXISTS temp.daily;
DROP TABLE IF EXISTS temp.sites;
DROP TABLE IF EXISTS temp.asked;

-- The parameters, in one row. A date that is none stops here, with the constraint's name.
CREATE TEMP TABLE asked(
  host TEXT, path TEXT, keyword TEXT,
  device TEXT CONSTRAINT ":device is desktop or mobile" CHECK (device IN ('desktop', 'mobile')),
  from_date TEXT CONSTRAINT "write :from as 20260301" CHECK (from_date <> 'no date'),
  to_date   TEXT CONSTRAINT "write :to as 20260301" CHECK (to_date <> 'no date'),
  most INTEGER CONSTRAINT "write :limit as a number" CHECK (typeof(most) = 'integer'),
  CONSTRAINT ":from is before :to" CHECK (from_date <= to_date)
);
INSERT INTO asked
SELECT CASE WHEN host GLOB 'www.*.*' THEN substr(host, 5)
            WHEN host GLOB 'm.*.*' THEN substr(host, 3) ELSE host END,
       path, :keyword, lower(:device),
       iif(:from IS NULL, NULL,
           iif(date(since, '+0 days') = substr(since, 1, 10), date(since), 'no date')),
       iif(:to IS NULL, NULL,
           iif(date(until, '+0 days') = substr(until, 1, 10), date(until), 'no date')),
       coalesce(:limit, 40)
  FROM (SELECT lower(substr(place, 1, instr(place || '/', '/') - 1)) AS host,
               rtrim(substr(place, instr(place || '/', '/')), '/') AS path,
               iif(typeof(:from) = 'text' AND :from LIKE '%-%', :from, substr(:from, 1, 4)
                   || '-' || substr(:from, 5, 2) || '-' || substr(:from, 7)) AS since,
               iif(typeof(:to) = 'text' AND :to LIKE '%-%', :to, substr(:to, 1, 4)
                   || '-' || substr(:to, 5, 2) || '-' || substr(:to, 7)) AS until
          FROM (SELECT substr(:domain, iif(instr(:domain, '://'), instr(:domain, '://') + 3, 1))
                  AS place));

-- Said only where there are some.
SELECT count(*) AS "answers not read yet: load naver_serp, SELECT count(*) FROM naver_serp_task"
  FROM naver_serp_cache WHERE parsed = 0 HAVING count(*) > 0;

-- The site of each domain. One step of the index a domain, not one a result.
CREATE TEMP TABLE sites(domain TEXT PRIMARY KEY, site TEXT NOT NULL) WITHOUT ROWID;
WITH RECURSIVE every(domain) AS (
  SELECT min(domain) FROM naver_serp_items
  UNION ALL
  SELECT (SELECT min(domain) FROM naver_serp_items WHERE domain > every.domain)
    FROM every WHERE domain IS NOT NULL)
INSERT INTO sites
SELECT domain, CASE WHEN lower(domain) GLOB 'www.*.*' THEN substr(lower(domain), 5)
                    WHEN lower(domain) GLOB 'm.*.*' THEN substr(lower(domain), 3)
                    ELSE lower(domain) END
  FROM every WHERE domain IS NOT NULL;

-- What counts. An answer of several results has several rows here. `depth` is how many
-- results were asked for, 15 where nothing was said.
CREATE TEMP TABLE daily AS
SELECT keyword, device, date, depth, task, first_item, last_item
  FROM (SELECT *, rank() OVER (PARTITION BY keyword, device, date ORDER BY at DESC, id DESC)
                  AS newest
          FROM (SELECT *, date(at) AS date
                  FROM (SELECT t.keyword, t.device, t.id, t.task, t.first_item, t.last_item,
                               CAST(coalesce(iif(json_valid(t.data), t.data, NULL)
                                             ->> '$.depth', 15) AS INTEGER) AS depth,
                               coalesce(datetime(t.datetime),
                                        (SELECT datetime(c.fetched_at) FROM naver_serp_cache AS c
                                          WHERE c.id = t.id)) AS at
                          FROM naver_serp_tasks AS t, asked
                         WHERE t.state IN ('ready', 'empty') AND t.keyword IS NOT NULL
                           AND (asked.keyword IS NULL OR t.keyword = asked.keyword
                                OR t.keyword GLOB asked.keyword)
                           AND (asked.device IS NULL OR t.device = asked.device))))
 WHERE newest = 1 AND date BETWEEN coalesce((SELECT from_date FROM asked), date)
                               AND coalesce((SELECT to_date FROM asked), date);
CREATE UNIQUE INDEX temp.daily_task ON daily(task);

-- The last answer of each keyword and device, unless it is older than :from, or 30 days
-- older than :to (the newest date).
CREATE TEMP VIEW latest AS
SELECT keyword, device, date, depth, task, first_item, last_item
  FROM (SELECT d.*, rank() OVER (PARTITION BY d.keyword, d.device ORDER BY d.date DESC)
                    AS newest
          FROM daily AS d
         WHERE d.date >= (SELECT coalesce(from_date, date(coalesce(to_date, (SELECT max(date)
                                          FROM daily)), '-30 days')) FROM asked))
 WHERE newest = 1;

-- Two dates: :to (the newest), :from (the newest before it). And the keywords and devices
-- that have an answer on both: no others can be compared.
CREATE TEMP TABLE span AS
SELECT coalesce(from_date, (SELECT max(date) FROM daily WHERE date < until)) AS from_date,
       until AS to_date
  FROM (SELECT from_date, coalesce(to_date, (SELECT max(date) FROM daily)) AS until FROM asked);
CREATE TEMP TABLE pairs AS
SELECT keyword, device, max(iif(date = from_date, depth, NULL)) AS from_depth,
       max(iif(date = to_date, depth, NULL)) AS to_depth
  FROM daily, span WHERE date IN (from_date, to_date)
 GROUP BY keyword, device HAVING count(DISTINCT date) = 2;

-- Organic results with their site, and their page: the URL without scheme, www. and m.
CREATE TEMP VIEW hits AS
SELECT i.item, i.task, i.domain, s.site, i.rank_absolute AS rank, i.title,
       iif(instr(lower(i.url), lower(i.domain)),
           s.site || rtrim(substr(i.url, instr(lower(i.url), lower(i.domain))
                                         + length(i.domain)), '/'), i.url) AS page
  FROM naver_serp_items AS i JOIN sites AS s ON s.domain = i.domain
 WHERE +i.type = 'organic'; -- With a plus: no index of it, made anew for each query

-- Those that count. The order of the join reads no more than the answers in question.
CREATE TEMP VIEW organic AS
SELECT d.keyword, d.device, d.date, d.depth, h.*
  FROM daily AS d CROSS JOIN hits AS h ON h.item BETWEEN d.first_item AND d.last_item;

-- :domain; if none was given, the site with the most results on the newest date.
CREATE TEMP TABLE me AS
SELECT coalesce(host, (SELECT site FROM organic WHERE date = (SELECT max(date) FROM daily)
                        GROUP BY site ORDER BY count(*) DESC, site LIMIT 1)) AS host,
       coalesce(path, '') AS path
  FROM asked;
CREATE TEMP VIEW my_domains AS
SELECT domain FROM sites
 WHERE site GLOB (SELECT host FROM me) OR '*.' || site = (SELECT host FROM me);

-- Its results, found by the index on domain.
CREATE TEMP VIEW mine AS
SELECT d.keyword, d.device, d.date, d.depth, h.*
  FROM hits AS h CROSS JOIN daily AS d ON d.task = h.task
 WHERE h.domain IN (SELECT domain FROM my_domains)
   AND ((SELECT path FROM me) = '' OR h.page = h.site || (SELECT path FROM me)
        OR substr(h.page, length(h.site) + 1) GLOB (SELECT path FROM me) || '[/?]*');

-- The results of :domain, or of all domains if none was given.
CREATE TEMP VIEW wanted AS
SELECT * FROM organic WHERE (SELECT host FROM asked) IS NULL
UNION ALL
SELECT * FROM mine WHERE (SELECT host FROM asked) IS NOT NULL;
