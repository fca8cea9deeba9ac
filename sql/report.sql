-- A report to show: one page of HTML with the ranks of a domain over time, the keywords that
-- moved, the share of voice, the features of the results pages. No script, no reference to
-- anything outside, all charts are SVG written by the statements below.
--
--   sqlite3 serp.db < sql/report.sql > report.html
--   sqlite3 serp.db -cmd '.param set :domain www.example.com' < sql/report.sql > report.html
--
-- Within a session: .output report.html, .read sql/report.sql, .output, .mode box.
--
-- Parameters, set before, all optional:
--   :domain   whose ranks, with or without www. and m., which are taken for the same site
--             (as in sql/common.sql); default: the organic site that appears most often
--   :device   desktop or mobile, in any case; default: the one with more answers
--   :from     UTC days, as 20260301; default: the last 90 that have answers
--   :to
--
-- It reads the stored tables (sql/store.sql) and needs no extension. It writes nothing to the
-- file, so a file opened with -readonly will do; what it works out is kept in a database in
-- memory named `report`, which is detached at the end. The same store gives the same page.
--
-- What counts: of each keyword and UTC day the newest answer (state ready or empty). Rank is
-- rank_absolute of the domain's best organic result. A day without an answer is a gap, never
-- "not ranked". Texts of the data reach the page only through the table report.text, which
-- holds them escaped.
--
-- It does not compare devices in one page, look into nested items, or follow a domain's other
-- subdomains: run it once for each.

.bail on
.echo off
.eqp off
.stats off
.timer off
.changes off
.headers off
.nullvalue ""
.mode list

ATTACH 'file:report?mode=memory' AS report;

-- How much the page shows; what is left out is counted on it.
CREATE TABLE report.most AS
SELECT 6 AS lines, 50 AS keywords, 10 AS movers, 10 AS domains, 12 AS types, 90 AS days,
       200 AS letters;

------------------------------------------------------------------------------------------
-- 1. What is there

-- A name is looked for in temp, in main, then here: these are only seen where the file has
-- none, because nothing was ever stored in it.
CREATE TABLE report.naver_serp_cache(id, origin, parsed);
CREATE TABLE report.naver_serp_posts(id, posted_at);
CREATE TABLE report.naver_serp_tasks(
  task, first_item, last_item, id, state, keyword, device, datetime);
CREATE TABLE report.naver_serp_items(item, task, type, rank_absolute, domain, title, url);

-- Answers that found nothing carry no date of their own: the day they were posted, if known.
CREATE TABLE report.task(
  task INTEGER PRIMARY KEY, first_item, last_item, state TEXT, keyword TEXT, device TEXT,
  at REAL, day TEXT, answered INTEGER);
INSERT INTO report.task
SELECT task, first_item, last_item, state, keyword, device, julianday(datetime), date(datetime),
       state IN ('ready', 'empty') AND keyword <> '' AND date(datetime) IS NOT NULL
  FROM (SELECT t.task, t.first_item, t.last_item, t.state, t.keyword,
               COALESCE(NULLIF(t.device, ''), 'unknown') AS device,
               COALESCE(t.datetime, p.posted_at) AS datetime
          FROM naver_serp_tasks AS t
          LEFT JOIN (SELECT id, max(posted_at) AS posted_at FROM naver_serp_posts
                      WHERE id IS NOT NULL GROUP BY id) AS p ON p.id = t.id);

CREATE TABLE report.choice(
  device TEXT, domain TEXT, asked TEXT, last INTEGER, first_day TEXT, last_day TEXT,
  before_day TEXT, days_left_out INTEGER, pages INTEGER, compared INTEGER, hits INTEGER);
INSERT INTO report.choice(device, asked)
SELECT COALESCE(NULLIF(lower(trim(:device)), ''),
                (SELECT device FROM report.task WHERE answered
                  GROUP BY device ORDER BY count(*) DESC, device LIMIT 1)),
       NULLIF(lower(trim(:domain)), '');

-- A day that is none stops here, with the constraint's name.
CREATE TABLE report.span(
  since TEXT CONSTRAINT "write :from as 20260301" CHECK (since <> 'no day'),
  until TEXT CONSTRAINT "write :to as 20260301" CHECK (until <> 'no day'),
  days INTEGER CONSTRAINT "there is no answer from :from to :to"
       CHECK (days > 0 OR since IS NULL AND until IS NULL)
);
INSERT INTO report.span(since, until)
SELECT CASE WHEN :from IS NOT NULL THEN iif(date(since, '+0 days') = since, since, 'no day') END,
       CASE WHEN :to IS NOT NULL THEN iif(date(until, '+0 days') = until, until, 'no day') END
  FROM (SELECT substr(:from, 1, 4) || '-' || substr(:from, 5, 2) || '-' || substr(:from, 7)
               AS since,
               substr(:to, 1, 4) || '-' || substr(:to, 5, 2) || '-' || substr(:to, 7) AS until);

-- The days on which there are answers, numbered; day n is before day n + 1.
CREATE TABLE report.day(n INTEGER PRIMARY KEY, day TEXT, at REAL, label TEXT, long TEXT, x REAL);
INSERT INTO report.day(day, at, label, long)
SELECT day, julianday(day), label, label || substr(day, 1, 4)
  FROM (SELECT day, CAST(substr(day, 9) AS INTEGER) || ' ' ||
               substr('JanFebMarAprMayJunJulAugSepOctNovDec', substr(day, 6, 2) * 3 - 2, 3) || ' '
               AS label
          FROM (SELECT DISTINCT t.day FROM report.task AS t JOIN report.choice AS c
                    ON c.device = t.device JOIN report.span AS s
                 WHERE t.answered AND t.day BETWEEN coalesce(s.since, t.day)
                                                AND coalesce(s.until, t.day)
                 ORDER BY t.day DESC LIMIT (SELECT days FROM report.most)) ORDER BY day);
UPDATE report.span SET days = (SELECT count(*) FROM report.day);
UPDATE report.day SET
  label = CASE WHEN (SELECT count(DISTINCT substr(day, 1, 4)) FROM report.day) > 1
          THEN label || '’' || substr(day, 3, 2) ELSE trim(label) END,
  x = COALESCE(100 * (at - (SELECT min(at) FROM report.day)) /
               NULLIF((SELECT max(at) - min(at) FROM report.day), 0), 50);

-- The newest answer of each keyword and day.
CREATE TABLE report.answer(
  task INTEGER PRIMARY KEY, first_item, last_item, keyword TEXT, n INTEGER,
  UNIQUE (keyword, n));
INSERT INTO report.answer
SELECT task, first_item, last_item, keyword, n
  FROM (SELECT t.task, t.first_item, t.last_item, t.keyword, d.n,
               row_number() OVER (PARTITION BY t.keyword, t.day ORDER BY t.at DESC, t.task DESC)
               AS age
          FROM report.task AS t JOIN report.choice AS c ON c.device = t.device
          JOIN report.day AS d ON d.day = t.day
         WHERE t.answered)
 WHERE age = 1;
CREATE INDEX report.answer_n ON answer(n);

UPDATE report.choice SET
  last = (SELECT max(n) FROM report.day),
  first_day = (SELECT long FROM report.day ORDER BY n LIMIT 1),
  last_day = (SELECT long FROM report.day ORDER BY n DESC LIMIT 1),
  before_day = (SELECT long FROM report.day ORDER BY n DESC LIMIT 1 OFFSET 1),
  days_left_out = (SELECT count(DISTINCT t.day) FROM report.task AS t
                    WHERE t.answered AND t.device = choice.device)
                  - (SELECT count(*) FROM report.day);
UPDATE report.choice SET pages = (SELECT count(*) FROM report.answer WHERE n = last);

-- The keywords answered on both of the last two days: all that can be compared.
CREATE TABLE report.pair(keyword TEXT PRIMARY KEY);
INSERT INTO report.pair
SELECT a.keyword FROM report.choice AS c JOIN report.answer AS a ON a.n = c.last
  JOIN report.answer AS b ON b.keyword = a.keyword AND b.n = c.last - 1;
UPDATE report.choice SET compared = (SELECT count(*) FROM report.pair);

-- The site of each domain; with NULL, of what was asked for. One step of the index a domain, not
-- one a result.
CREATE TABLE report.site(domain TEXT PRIMARY KEY, site TEXT);
WITH RECURSIVE every(domain) AS (
  SELECT min(domain) FROM naver_serp_items
  UNION ALL
  SELECT (SELECT min(domain) FROM naver_serp_items WHERE domain > every.domain)
    FROM every WHERE domain IS NOT NULL)
INSERT INTO report.site
SELECT domain, lower(domain) FROM every WHERE domain <> ''
UNION ALL
SELECT NULL, asked FROM report.choice;
UPDATE report.site SET site = CASE WHEN site GLOB 'www.*.*' THEN substr(site, 5)
                                   WHEN site GLOB 'm.*.*' THEN substr(site, 3) ELSE site END;

UPDATE report.choice SET domain = CASE WHEN asked IS NULL THEN
  (SELECT s.site FROM report.answer AS a CROSS JOIN naver_serp_items AS i NOT INDEXED
    CROSS JOIN report.site AS s ON s.domain = i.domain
    WHERE i.item BETWEEN a.first_item AND a.last_item AND i.type = 'organic'
    GROUP BY s.site ORDER BY count(*) DESC, s.site LIMIT 1)
ELSE
  (SELECT site FROM report.site WHERE domain IS NULL)
END;

------------------------------------------------------------------------------------------
-- 2. What to say about it

-- The domain's best organic result in each answer that has one. `url` is the path where the
-- rest is known.
CREATE TABLE report.hit(
  keyword TEXT, n INTEGER, rank INTEGER, title TEXT, url TEXT, PRIMARY KEY (keyword, n));
INSERT INTO report.hit
SELECT keyword, n, rank_absolute, title,
       CASE WHEN url LIKE 'http%' AND instr(url, '://' || domain || '/') IN (5, 6)
            THEN substr(url, instr(url, domain) + length(domain)) ELSE url END
  FROM (SELECT a.keyword, a.n, i.rank_absolute, i.title, i.url, i.domain,
               row_number() OVER (PARTITION BY a.task ORDER BY i.rank_absolute, i.item) AS place
          FROM report.choice AS c CROSS JOIN report.site AS s ON s.site = c.domain
          CROSS JOIN naver_serp_items AS i ON i.domain = s.domain
          JOIN report.answer AS a ON a.task = i.task
         WHERE i.type = 'organic' AND typeof(i.rank_absolute) = 'integer' AND i.rank_absolute > 0)
 WHERE place = 1;
UPDATE report.choice SET hits = (SELECT count(*) FROM report.hit);

-- Every keyword that was ever asked on the device. `status` is of the last day,
-- `before_status` of the day before.
CREATE TABLE report.keyword(
  place INTEGER PRIMARY KEY, keyword TEXT UNIQUE, status TEXT, rank INTEGER,
  before_status TEXT, before INTEGER, best INTEGER, days INTEGER, average REAL,
  title TEXT, url TEXT);
INSERT INTO report.keyword(
  keyword, status, rank, before_status, before, best, days, average, title, url)
SELECT k.keyword,
       CASE WHEN h.rank THEN 'ranked' WHEN a.task THEN 'not ranked' ELSE 'no answer' END, h.rank,
       CASE WHEN hb.rank THEN 'ranked' WHEN b.task THEN 'not ranked' ELSE 'no answer' END, hb.rank,
       o.best, COALESCE(o.days, 0), o.average, newest.title, newest.url
  FROM report.choice AS c
  JOIN (SELECT DISTINCT t.keyword FROM report.task AS t JOIN report.choice AS c
            ON c.device = t.device WHERE t.keyword <> '') AS k
  LEFT JOIN report.answer AS a ON a.keyword = k.keyword AND a.n = c.last
  LEFT JOIN report.hit AS h ON h.keyword = k.keyword AND h.n = c.last
  LEFT JOIN report.answer AS b ON b.keyword = k.keyword AND b.n = c.last - 1
  LEFT JOIN report.hit AS hb ON hb.keyword = k.keyword AND hb.n = c.last - 1
  LEFT JOIN (SELECT keyword, min(rank) AS best, count(*) AS days, avg(rank) AS average,
                    max(n) AS newest
               FROM report.hit GROUP BY keyword) AS o ON o.keyword = k.keyword
  LEFT JOIN report.hit AS newest ON newest.keyword = k.keyword AND newest.n = o.newest
 ORDER BY h.rank IS NULL, h.rank, o.best IS NULL, a.task IS NULL, o.best, k.keyword;

-- The lines of the chart: the keywords ranked on most days.
CREATE TABLE report.line(
  line INTEGER PRIMARY KEY, keyword TEXT, status TEXT, rank INTEGER, tall INTEGER, lane INTEGER,
  end_y REAL, label_y REAL);
INSERT INTO report.line(keyword, status, rank, tall)
SELECT keyword, status, rank, CASE WHEN length(keyword) > 6 THEN 38 ELSE 20 END
  FROM report.keyword WHERE days > 0
 ORDER BY days DESC, average, keyword LIMIT (SELECT lines FROM report.most);

-- Its measures, in pixels: ranks 1 to `top` from y = 12 down to 248, those `beyond` 100 at 100;
-- below, a lane with a row for each line that has days without the domain, to mark them. x is
-- in percent of the width. A label is as `tall` as one row of text, or two where a phone has no
-- room for it in one.
UPDATE report.line SET lane = new.lane FROM (
  SELECT l.line, row_number() OVER (ORDER BY l.line) AS lane
    FROM report.line AS l JOIN report.answer AS a ON a.keyword = l.keyword
    LEFT JOIN report.hit AS h ON h.keyword = a.keyword AND h.n = a.n
   WHERE h.rank IS NULL GROUP BY l.line) AS new
 WHERE new.line = line.line;
CREATE TABLE report.frame(
  top INTEGER, table_top INTEGER, lanes INTEGER, height INTEGER, beyond INTEGER);
WITH step(top) AS (VALUES (5), (10), (15), (20), (30), (40), (50), (100))
INSERT INTO report.frame(top, table_top, lanes, beyond)
SELECT (SELECT min(top) FROM step WHERE top >= min(100, (SELECT max(h.rank) FROM report.hit AS h
                                            JOIN report.line AS l ON l.keyword = h.keyword))),
       (SELECT min(top) FROM step WHERE top >= min(100, (SELECT max(rank) FROM report.hit))),
       (SELECT COALESCE(max(lane), 0) FROM report.line),
       (SELECT max(h.rank) > 100 FROM report.hit AS h JOIN report.line AS l
            ON l.keyword = h.keyword);
UPDATE report.frame SET height = 260 + CASE WHEN lanes THEN 18 + 9 * lanes ELSE 0 END;

-- One row per line and answered day; y of a day without the domain is NULL. `piece` is the
-- same for days that follow each other without a gap.
CREATE TABLE report.point(line INTEGER, n INTEGER, rank INTEGER, x REAL, y REAL, piece INTEGER);
INSERT INTO report.point
SELECT l.line, a.n, h.rank, d.x, 12 + 236.0 * (min(h.rank, f.top) - 1) / (f.top - 1),
       a.n - row_number() OVER (PARTITION BY l.line, h.rank IS NULL ORDER BY a.n)
  FROM report.line AS l JOIN report.frame AS f JOIN report.answer AS a ON a.keyword = l.keyword
  JOIN report.day AS d ON d.n = a.n
  LEFT JOIN report.hit AS h ON h.keyword = a.keyword AND h.n = a.n;

-- Labels stand at the ends of their lines: pushed down by those above, then up by the lower edge.
UPDATE report.line SET end_y = (
  SELECT CASE WHEN line.status = 'not ranked' THEN 272 + 9 * line.lane ELSE p.y END
    FROM report.point AS p WHERE p.line = line.line AND p.y IS NOT NULL ORDER BY p.n DESC LIMIT 1);
UPDATE report.line SET label_y = new.y FROM (
  SELECT line, min(mid + max(end_y - mid) OVER (ORDER BY mid), height + 2 - total + mid) AS y
    FROM (SELECT line, end_y, sum(tall) OVER (ORDER BY end_y, line) - tall / 2 AS mid,
                 sum(tall) OVER () AS total FROM report.line) JOIN report.frame) AS new
 WHERE new.line = line.line;

-- Keywords that moved between the last two days.
CREATE TABLE report.mover(
  kind TEXT, place INTEGER, keyword TEXT, before INTEGER, rank INTEGER, PRIMARY KEY (kind, place));
INSERT INTO report.mover
SELECT kind, row_number() OVER (PARTITION BY kind ORDER BY
         abs(COALESCE(before - rank, 0)) DESC, COALESCE(rank, before), keyword),
       keyword, before, rank
  FROM (SELECT k.keyword, k.before, k.rank,
               CASE WHEN k.before IS NULL AND k.rank IS NULL THEN 'absent'
                    WHEN k.before IS NULL THEN 'new' WHEN k.rank IS NULL THEN 'lost'
                    WHEN k.rank < k.before THEN 'up' WHEN k.rank > k.before THEN 'down'
                    ELSE 'same' END AS kind
          FROM report.keyword AS k JOIN report.pair AS p ON p.keyword = k.keyword);

-- Share of voice: 1/rank of each organic result of the last day, as a part of the sum; 0 where a
-- domain is only in the answers of the day before. The change is of compared keywords alone.
CREATE TABLE report.voice(place INTEGER PRIMARY KEY, domain TEXT UNIQUE, share REAL, change REAL);
WITH result AS MATERIALIZED (
  SELECT a.n, s.site AS domain, sum(1.0 / i.rank_absolute) AS weight,
         sum(1.0 / i.rank_absolute) FILTER (WHERE p.keyword IS NOT NULL) AS pair_weight
    FROM report.choice AS c JOIN report.answer AS a ON a.n >= c.last - 1
    LEFT JOIN report.pair AS p ON p.keyword = a.keyword
    CROSS JOIN naver_serp_items AS i NOT INDEXED
    CROSS JOIN report.site AS s ON s.domain = i.domain
   WHERE i.item BETWEEN a.first_item AND a.last_item AND i.type = 'organic'
     AND typeof(i.rank_absolute) = 'integer' AND i.rank_absolute > 0
   GROUP BY a.n, s.site),
part AS (
  SELECT n, domain, 100 * weight / sum(weight) OVER day AS share,
         100 * pair_weight / sum(pair_weight) OVER day AS pair_share
    FROM result WINDOW day AS (PARTITION BY n))
INSERT INTO report.voice(domain, share, change)
SELECT p.domain, COALESCE(max(share) FILTER (WHERE n = last), 0) AS now,
       CASE WHEN compared THEN COALESCE(max(pair_share) FILTER (WHERE n = last), 0) -
                               COALESCE(max(pair_share) FILTER (WHERE n = last - 1), 0) END
  FROM part AS p JOIN report.choice
 GROUP BY p.domain ORDER BY now DESC, p.domain;

-- On how many of a day's results pages a type of element is, and how many elements.
CREATE TABLE report.feature(
  place INTEGER, type TEXT, n INTEGER, pages INTEGER, elements INTEGER, share REAL,
  PRIMARY KEY (type, n));
WITH found AS MATERIALIZED (
  SELECT COALESCE(i.type, '(no type)') AS type, a.n, count(DISTINCT a.task) AS pages,
         count(*) AS elements
    FROM report.answer AS a CROSS JOIN naver_serp_items AS i NOT INDEXED
   WHERE i.item BETWEEN a.first_item AND a.last_item
   GROUP BY 1, 2),
size(n, pages) AS (SELECT n, count(*) FROM report.answer GROUP BY n),
ordered AS (
  SELECT type, row_number() OVER (ORDER BY sum(pages) DESC, sum(elements) DESC, type) AS place
    FROM found GROUP BY type)
INSERT INTO report.feature
SELECT o.place, o.type, s.n, COALESCE(f.pages, 0), COALESCE(f.elements, 0),
       100.0 * COALESCE(f.pages, 0) / s.pages
  FROM ordered AS o JOIN size AS s LEFT JOIN found AS f ON f.type = o.type AND f.n = s.n;

-- The figures at the top; `was` and `now` are those of the compared keywords alone.
CREATE TABLE report.figure(
  place INTEGER PRIMARY KEY, name TEXT, value TEXT, note TEXT, now REAL, was REAL,
  better TEXT);
INSERT INTO report.figure(name, value, note, now, was, better)
SELECT 'Keywords ranked', count(k.rank), 'of ' || c.pages || ' answered',
       count(k.rank) FILTER (WHERE p.keyword IS NOT NULL),
       count(k.before) FILTER (WHERE p.keyword IS NOT NULL), 'more'
  FROM report.choice AS c JOIN report.keyword AS k
  LEFT JOIN report.pair AS p ON p.keyword = k.keyword
UNION ALL
SELECT 'In the top 3', count(*) FILTER (WHERE k.rank <= 3),
       count(*) FILTER (WHERE k.rank <= 10) || ' in the top 10',
       count(*) FILTER (WHERE p.keyword IS NOT NULL AND k.rank <= 3),
       count(*) FILTER (WHERE p.keyword IS NOT NULL AND k.before <= 3), 'more'
  FROM report.keyword AS k LEFT JOIN report.pair AS p ON p.keyword = k.keyword
UNION ALL
SELECT 'Average rank', CASE WHEN count(k.rank) THEN printf('%.1f', avg(k.rank))
                            ELSE '–' END, 'of the ranked keywords',
       round(avg(k.rank) FILTER (WHERE p.keyword IS NOT NULL), 1),
       round(avg(k.before) FILTER (WHERE p.keyword IS NOT NULL), 1), 'less'
  FROM report.keyword AS k LEFT JOIN report.pair AS p ON p.keyword = k.keyword
UNION ALL
SELECT 'Share of voice', printf('%.1f %%', COALESCE(v.share, 0)),
       CASE WHEN v.share > 0 THEN 'place ' || v.place ELSE 'none' END || ' of ' || n || ' domain' ||
         CASE WHEN n = 1 THEN '' ELSE 's' END,
       v.change, 0, 'more'
  FROM report.choice AS c LEFT JOIN report.voice AS v ON v.domain = c.domain
  JOIN (SELECT count(*) AS n FROM report.voice WHERE share > 0);

------------------------------------------------------------------------------------------
-- 3. Texts of the data, made harmless in one place

-- What is replaced by what, in this order: markup, control characters, and the characters
-- that turn the direction of the text around them.
CREATE TABLE report.replacement(step INTEGER PRIMARY KEY, found TEXT, put TEXT);
INSERT INTO report.replacement(found, put) VALUES
  ('&', '&amp;'), ('<', '&lt;'), ('>', '&gt;'), ('"', '&quot;'), ('''', '&#39;');
WITH RECURSIVE code(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM code WHERE n < 8297)
INSERT INTO report.replacement(found, put)
SELECT char(n), CASE WHEN n IN (9, 10, 13) THEN ' ' ELSE char(65533) END FROM code
 WHERE n < 32 OR n BETWEEN 127 AND 159 OR n BETWEEN 8232 AND 8238 OR n BETWEEN 8294 AND 8297;

-- `html` is for attributes and titles, `bdi` an element for everywhere else.
CREATE TABLE report.text(raw TEXT PRIMARY KEY, html TEXT, bdi TEXT);
WITH RECURSIVE
shown(raw) AS (
  SELECT device FROM report.choice UNION SELECT domain FROM report.choice
  UNION SELECT asked FROM report.choice
  UNION SELECT device FROM report.task UNION SELECT state FROM report.task
  UNION SELECT keyword FROM report.keyword WHERE place <= (SELECT keywords FROM report.most)
  UNION SELECT keyword FROM report.line
  UNION SELECT keyword FROM report.mover WHERE place <= (SELECT movers FROM report.most)
  UNION SELECT title FROM report.keyword WHERE place <= (SELECT keywords FROM report.most)
  UNION SELECT url FROM report.keyword WHERE place <= (SELECT keywords FROM report.most)
  UNION SELECT domain FROM report.voice WHERE place <= (SELECT domains FROM report.most)
  UNION SELECT type FROM report.feature WHERE place <= (SELECT types FROM report.most)),
-- substr() also ends at a NUL, where the shell would end the line.
safe(raw, step, html) AS (
  SELECT raw, 1, CASE WHEN length(raw) > letters THEN substr(raw, 1, letters) || '…'
                      ELSE substr(raw, 1, letters) END
    FROM shown JOIN report.most WHERE raw IS NOT NULL
  UNION ALL
  SELECT s.raw, s.step + 1, replace(s.html, e.found, e.put)
    FROM safe AS s JOIN report.replacement AS e ON e.step = s.step)
INSERT INTO report.text
SELECT raw, html, printf('<bdi%s>%s</bdi>',
         CASE WHEN html GLOB '*[ᄀ-ᇿ㄰-㆏가-힣]*' THEN ' lang="ko"' ELSE '' END, html)
  FROM safe WHERE step > (SELECT max(step) FROM report.replacement);

------------------------------------------------------------------------------------------
-- 4. The page

SELECT '<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src ''none''; style-src ''unsafe-inline''">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">';
SELECT printf('<title>%s</title>', CASE WHEN last THEN
         COALESCE((SELECT html FROM report.text WHERE raw = domain) || ' · ', '') ||
         'Naver ranks, ' || last_day ELSE 'Naver ranks: no answers yet' END)
  FROM report.choice;
SELECT '<style>
:root {
  --paper: #fff; --ink: #17202b; --soft: #566170; --rule: #dfe3e8; --faint: #f3f5f7;
  --mute: #b9c1ca; --accent: #0b7a4b; --good: #0b7a4b; --bad: #b3401f;
  --c1: #0b7a4b; --c2: #2563b8; --c3: #b3501a; --c4: #7a4ba8; --c5: #8a6a00; --c6: #b52f6e;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #12171d; --ink: #e8ecf0; --soft: #a3aeba; --rule: #2c343d; --faint: #1a2129;
    --mute: #515c68; --accent: #4cc38a; --good: #4cc38a; --bad: #f0906c;
    --c1: #4cc38a; --c2: #7db2f2; --c3: #f0a06c; --c4: #c3a1ea; --c5: #d9bc55; --c6: #f08ab6;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2.5rem 1rem 4rem; max-width: 62rem;
  background: var(--paper); color: var(--ink); overflow-wrap: anywhere;
  font: 1rem/1.5 -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Apple SD Gothic Neo",
    "Malgun Gothic", "Noto Sans KR", "Noto Sans CJK KR", NanumBarunGothic, sans-serif;
  font-variant-numeric: tabular-nums;
}
header { border-bottom: 2px solid var(--ink); padding-bottom: 1.25rem; }
.eyebrow { margin: 0; color: var(--accent); font-size: .875rem; font-weight: 600; }
h1 { margin: .25rem 0 .5rem; font-size: clamp(1.6rem, 6vw, 2.5rem); line-height: 1.15;
  letter-spacing: -.015em; }
h2 { margin: 3rem 0 .25rem; font-size: 1.25rem; line-height: 1.3; break-after: avoid; }
h3 { margin: 0 0 .25rem; font-size: 1rem; break-after: avoid; }
h3 span { color: var(--soft); font-weight: 400; }
p { margin: .25rem 0 1rem; max-width: 44rem; text-wrap: pretty; }
header p, .lead, .more, figcaption, .notes p, .notes li, details { color: var(--soft); }
header p { margin: 0; }
.lead, .more, .notes, details { font-size: .875rem; }
.lead { break-after: avoid; }
.more { margin: .5rem 0 0; }
a { color: var(--accent); }
code, pre { font: .875em/1.6 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { padding: 1rem; background: var(--faint); border-radius: 4px; white-space: pre-wrap; }
.up::before { content: "▲\00a0"; content: "▲\00a0" / "better by "; }
.down::before { content: "▼\00a0"; content: "▼\00a0" / "worse by "; }
.up { color: var(--good); }
.down { color: var(--bad); }
.up, .down, .same { white-space: nowrap; }
.same, .none { color: var(--soft); }

.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr));
  gap: 1.25rem 1.5rem; margin: 1.5rem 0 0; }
.figures dt { font-size: .875rem; color: var(--soft); }
.figures dd { margin: 0; font-size: .875rem; color: var(--soft); }
.figures b { margin-right: .25rem; font-size: 2rem; font-weight: 600; line-height: 1.25;
  letter-spacing: -.01em; color: var(--ink); }

.chart { display: grid; margin: 1.25rem 0 .5rem; font-size: .8125rem; line-height: 20px;
  grid-template-columns: 2rem minmax(0, 1fr) 1.25rem 12rem; break-inside: avoid; }
.chart svg { display: block; width: 100%; overflow: visible; }
.chart > div, .chart ol { position: relative; }
.axis span { position: absolute; right: .375rem; transform: translateY(-50%); color: var(--soft);
  white-space: nowrap; }
.days { grid-column: 2; height: 1.5rem; }
.days span { position: absolute; transform: translateX(-50%); white-space: nowrap;
  color: var(--soft); }
.names { list-style: none; margin: 0; padding: 0; }
.names li { position: absolute; left: .25rem; right: 0; transform: translateY(-50%); display: flex;
  gap: .5em; color: var(--ink); }
.names b { flex: none; min-width: 1.1em; text-align: right; white-space: nowrap; }
.names span { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2;
  overflow: hidden; line-height: 17px; }
.names b { line-height: 17px; }
.names .short span { -webkit-line-clamp: 1; }
.page, .url { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.grid { stroke: var(--rule); }
.lane { fill: var(--soft); font-size: .75rem; }
.c1 { color: var(--c1); } .c2 { color: var(--c2); } .c3 { color: var(--c3); }
.c4 { color: var(--c4); } .c5 { color: var(--c5); } .c6 { color: var(--c6); }
.line path { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round;
  stroke-linecap: round; vector-effect: non-scaling-stroke; }
.line circle { fill: currentColor; stroke: var(--paper); stroke-width: 1; }
.line.c2 path, .lead-line.c2, .line.c5 path, .lead-line.c5 { stroke-dasharray: 10 5; }
.line.c3 path, .lead-line.c3, .line.c6 path, .lead-line.c6 { stroke-dasharray: 3 5; }
.line.c4 circle, .line.c5 circle, .line.c6 circle { fill: var(--paper); stroke: currentColor;
  stroke-width: 1.5; }
.line.dense path { stroke-width: 1.5; }
.line.dense circle:not(.off) { fill: currentColor; stroke: none; }
.line .off { fill: var(--paper); stroke: currentColor; stroke-width: 1.5; }
.tail { stroke: currentColor; stroke-dasharray: 1 4; stroke-linecap: round; stroke-width: 1.5; }
.lead-line { stroke: currentColor; stroke-width: 1.5; }

table { width: 100%; border-collapse: collapse; font-size: .875rem; }
th, td { padding: .4rem .5rem; border-bottom: 1px solid var(--rule); text-align: left;
  vertical-align: top; font-weight: 400; }
th:first-child, td:first-child { padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--soft); font-size: .8125rem; vertical-align: bottom;
  border-color: var(--ink); }
tbody th { font-weight: 600; }
tr { break-inside: avoid; }
.n { text-align: right; white-space: nowrap; }
.fixed { table-layout: fixed; }
.fixed .n { width: 4.5rem; white-space: normal; }
.page, .url { display: block; font-weight: 400; color: var(--soft); font-size: .8125rem; }
.trend { width: 9rem; }
.trend svg { display: block; width: 100%; height: 44px; overflow: visible; }
.trend path { fill: none; vector-effect: non-scaling-stroke; stroke-linecap: round;
  stroke: var(--soft); stroke-width: 1.5; }
.trend .dot { stroke-width: 3; }
.trend .off { stroke-width: 3; opacity: .7; }
.trend .now { stroke: var(--accent); stroke-width: 6; }
.movers { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr));
  gap: 1.75rem 3rem; margin-top: 1rem; }
.movers p { margin: 0; }
.voice td, .voice th { vertical-align: middle; }
.voice .name { width: 40%; }
.voice svg { display: block; width: 100%; height: 12px; }
.voice rect { fill: var(--mute); }
.voice .mine rect { fill: var(--accent); }
.voice tr:not(.mine) th { font-weight: 400; }
.voice .mine { color: var(--accent); }
.voice .place { width: 1.75rem; color: var(--soft); }
.features { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr));
  gap: 1.5rem; margin: 1.25rem 0 .75rem; }
.features figure { margin: 0; break-inside: avoid; }
.features svg { display: block; width: 100%; height: 56px; border-bottom: 1px solid var(--mute); }
.features rect { fill: var(--mute); }
.features rect:last-of-type { fill: var(--accent); }
.features svg { margin: .25rem 0; }
figcaption { display: grid; grid-template-columns: 1fr auto; column-gap: .5rem;
  font-size: .8125rem; }
figcaption b { font-size: .875rem; color: var(--ink); }
summary { cursor: pointer; padding: .35rem 0; }
.notes ul { padding-left: 1.1rem; margin: .5rem 0 1.25rem; max-width: 46rem; }
.notes li { margin: .25rem 0; }
.notes table { max-width: 30rem; }

@media (max-width: 40rem) {
  body { padding-top: 1.5rem; }
  h2 { margin-top: 2.5rem; }
  .figures { grid-template-columns: 1fr 1fr; }
  .features { grid-template-columns: 1fr 1fr; gap: 1.25rem; }
  .chart { grid-template-columns: 2rem minmax(0, 1fr) 1rem 7rem; }
  .minor, .wide { display: none; }
  .trend { width: 4.5rem; }
  .fixed .n { width: 3.9rem; }
  .n:has(+ .wide) { padding-right: 0; }
  .voice .name { width: 43%; }
  .voice .place { width: 1.5rem; padding-right: .25rem; }
  .voice td:nth-child(3) { padding-left: 0; padding-right: .25rem; }
  .voice .n { width: 3.75rem; padding-left: 0; white-space: nowrap; }
}
@media print {
  @page { margin: 15mm; }
  html { font-size: 13px; }
  body { padding: 0; max-width: none; }
  h2 { margin-top: 2rem; }
  summary, details:not([open]) { display: none; }
  .page, .url { white-space: normal; }
  .features, .movers > div, #voice table { break-inside: avoid; }
}
</style>
</head>
<body>';

-- 4a. Nothing to show: what to do.
SELECT '<main class="empty">
<header>
<p class="eyebrow">Naver rank report</p>
<h1>No answers yet</h1>
<p>There is nothing in this file that a report could be made of' ||
CASE WHEN asked_device THEN ' for the device ' ||
  (SELECT bdi FROM report.text WHERE raw = device) ELSE '' END || '.</p>
</header>' ||
CASE WHEN others <> '' THEN '
<h2>Another device</h2>
<p>Answers are stored for: ' || others || '. Name one of them, or none:</p>
<pre>.param set :device NAME</pre>' ELSE '' END ||
CASE WHEN unread > 0 THEN '
<h2>Read what is stored</h2>
<p>Answers put in by hand and not read yet: <b>' || unread || '</b>. Read them with the
extension, once, and make this report again:</p>
<pre>.load naver_serp
SELECT count(*) FROM naver_serp;</pre>' ELSE '' END ||
CASE WHEN others = '' THEN '
<h2>Put answers in</h2>
<p>Import a saved answer, or fetch a task by its id, with the extension loaded:</p>
<pre>.load naver_serp
SELECT naver_serp_import(readfile(''answer.json''));
SELECT count(*) FROM naver_serp(''TASK ID'');</pre>
<p>Or post keywords with <code>sql/post.sql</code>, which costs money, and collect their answers
with <code>sql/collect.sql</code>. One keyword, asked on two days, is enough for a line.</p>'
ELSE '' END
  FROM (SELECT c.device, NULLIF(:device, '') IS NOT NULL AS asked_device, c.last,
               (SELECT count(*) FROM naver_serp_cache WHERE parsed = 0) AS unread,
               COALESCE((SELECT group_concat(t.bdi || ' (' || o.tasks || ')', ', ')
                           FROM (SELECT device, count(*) AS tasks FROM report.task WHERE answered
                                  GROUP BY device ORDER BY device) AS o
                           JOIN report.text AS t ON t.raw = o.device), '') AS others
          FROM report.choice AS c)
 WHERE last IS NULL;

-- 4b. Whose ranks, when, where; the figures of the last day.
SELECT printf('<main>
<header>
<p class="eyebrow">Naver rank report</p>
<h1 id="domain">%s</h1>
<p>%s · %s%s · %,d keyword%s</p>
</header>', COALESCE(d.bdi, 'No organic results'), v.bdi,
  CASE WHEN last = 1 THEN '' ELSE first_day || ' to ' END, last_day ||
  CASE WHEN last = 1 THEN '' ELSE ', answers on ' || last || ' days' END, k.n,
  CASE WHEN k.n = 1 THEN '' ELSE 's' END)
  FROM report.choice AS c JOIN report.text AS v ON v.raw = c.device
  LEFT JOIN report.text AS d ON d.raw = c.domain
  JOIN (SELECT count(*) AS n FROM report.keyword) AS k
 WHERE last;

SELECT printf('<h2>%s is in none of the answers</h2>
<p>No organic result of this domain is stored for this device. The domains that appear are
listed under <a href="#voice">share of voice</a>; name one of them:</p>
<pre>.param set :domain NAME</pre>', t.bdi)
  FROM report.choice AS c JOIN report.text AS t ON t.raw = c.domain
 WHERE last AND hits = 0;

SELECT '<dl class="figures">' FROM report.choice WHERE hits;
SELECT printf('<div><dt>%s</dt><dd><b>%s</b> %s</dd><dd>%s</dd></div>', name, value,
         CASE WHEN move > 0 THEN printf('<span class="up">%g</span>', move)
              WHEN move < 0 THEN printf('<span class="down">%g</span>', -move)
              WHEN move = 0 THEN '<span class="same">=</span>' END, note)
  FROM (SELECT f.*, hits, round(CASE WHEN compared = 0 THEN NULL WHEN better = 'less'
                                THEN was - now ELSE now - was END, 1) AS move
          FROM report.figure AS f JOIN report.choice) WHERE hits ORDER BY place;
SELECT '</dl>' FROM report.choice WHERE hits;
SELECT CASE WHEN last = 1 THEN
         '<p class="more">There is one day so far, so nothing is compared.</p>'
       WHEN compared = 0 THEN printf(
         '<p class="more">No keyword was answered both on %s and on %s, so nothing is ' ||
         'compared.</p>', before_day, last_day)
       ELSE printf('<p class="more">Changes since %s, of the %,d keyword%s answered on both ' ||
         'days. ▲ is better, ▼ is worse.</p>', before_day, compared,
         CASE WHEN compared = 1 THEN '' ELSE 's' END) END
  FROM report.choice WHERE hits;
SELECT printf('<p class="more">%,d of the %,d keywords %s no answer on %s.</p>', n - pages, n,
  CASE WHEN n - pages = 1 THEN 'has' ELSE 'have' END, last_day)
  FROM report.choice JOIN (SELECT count(*) AS n FROM report.keyword)
 WHERE hits AND n > pages;

-- 4c. Rank over time.
SELECT printf('<section id="ranks">
<h2>Rank over time</h2>
<p class="lead">%s%s Rank 1 is at the top%s.</p>
<div class="chart">',
  CASE WHEN ranked > lines THEN printf('The %d of %,d ranked keywords that were ranked on most '
    || 'days; %,d more %s not drawn. ', lines, ranked, ranked - lines,
      CASE WHEN ranked - lines = 1 THEN 'is' ELSE 'are' END) ELSE '' END,
  CASE WHEN last = 1 THEN 'One day so far: lines begin with the second.'
    ELSE 'A gap is a day on which only other keywords have an answer.' END,
  CASE WHEN beyond THEN '; what is beyond 100 is drawn at 100' END)
  FROM report.choice JOIN report.frame JOIN (SELECT count(*) AS lines FROM report.line)
  JOIN (SELECT count(*) AS ranked FROM report.keyword WHERE days > 0)
 WHERE hits;
SELECT '<div class="axis" aria-hidden="true">' FROM report.choice WHERE hits;
CREATE TABLE report.tick(rank INTEGER, y REAL);
INSERT INTO report.tick
SELECT value, 12 + 236.0 * (value - 1) / (top - 1)
  FROM report.frame JOIN json_each('[1, 2, 3, 4, 5, 10, 15, 20, 30, 40, 50, 60, 80, 100]')
 WHERE value = 1 OR (value <= top AND
       value % CASE WHEN top = 5 THEN 1 WHEN top <= 20 THEN 5 WHEN top <= 50 THEN 10
               ELSE 20 END = 0);
SELECT printf('<span style="top:%.1fpx">%d%s</span>', y, rank,
         CASE WHEN beyond AND rank = top THEN '+' END)
  FROM report.tick JOIN report.frame JOIN report.choice WHERE hits;
SELECT printf('</div>
<div><svg role="img" aria-labelledby="ranks-title ranks-desc" height="%d">
<title id="ranks-title">Rank of %s by keyword, %s%s</title>
<desc id="ranks-desc">Keywords drawn as lines, rank 1 at the top: %d. The same numbers are in
the table that follows.</desc>', height, t.html,
  CASE WHEN last = 1 THEN '' ELSE first_day || ' to ' END, last_day, lines)
  FROM report.choice AS c JOIN report.text AS t ON t.raw = c.domain JOIN report.frame
  JOIN (SELECT count(*) AS lines FROM report.line)
 WHERE hits;
SELECT printf('<line class="grid" x1="0" x2="100%%" y1="%.1f" y2="%.1f"/>', y, y)
  FROM report.tick JOIN report.choice WHERE hits;
SELECT '<text class="lane" x="0" y="272">not ranked</text>'
  FROM report.frame JOIN report.choice WHERE hits AND lanes;
-- The paths are stretched to the width of the chart, the points are placed in percent. The first
-- line is whole and lies lowest: where lines coincide, it shows between the dashes of the others.
SELECT printf('<g class="line c%d%s"><svg viewBox="0 0 100 %d" preserveAspectRatio="none" ' ||
  'width="100%%" height="%d"><path d="%s"/></svg>%s%s</g>', l.line,
  CASE WHEN c.last > 45 THEN ' dense' END, f.height, f.height,
  (SELECT group_concat(printf('%s%.2f %.1f', step, x, y), '')
     FROM (SELECT CASE WHEN lag(n) OVER (PARTITION BY piece ORDER BY n) THEN 'L' ELSE 'M' END
                  AS step, x, y
             FROM report.point AS p WHERE p.line = l.line AND y IS NOT NULL ORDER BY n)),
  CASE WHEN l.status = 'no answer' THEN
    printf('<line class="tail" x1="%.2f%%" x2="100%%" y1="%.1f" y2="%.1f"/>',
      (SELECT max(x) FROM report.point AS p WHERE p.line = l.line AND y IS NOT NULL),
      l.end_y, l.end_y) END,
  (SELECT group_concat(dot, '') FROM (
     SELECT CASE WHEN p.y IS NULL THEN
              printf('<circle class="off" cx="%.2f%%" cy="%d" r="2.5"><title>%s: not ranked, ' ||
                '%s</title></circle>', p.x, 272 + 9 * l.lane, k.html, d.long)
            ELSE printf('<circle cx="%.2f%%" cy="%.1f" r="%s"><title>%s: rank %d, %s</title>' ||
                '</circle>', p.x, p.y, CASE WHEN c.last > 45 THEN '1.75' ELSE '3.5' END, k.html,
                p.rank, d.long) END AS dot
       FROM report.point AS p JOIN report.day AS d ON d.n = p.n
      WHERE p.line = l.line ORDER BY p.n)))
  FROM report.choice AS c JOIN report.frame AS f JOIN report.line AS l
  JOIN report.text AS k ON k.raw = l.keyword
 WHERE hits ORDER BY l.line;
SELECT printf('</svg></div>
<div><svg aria-hidden="true" height="%d">', height)
  FROM report.frame JOIN report.choice WHERE hits;
SELECT printf('<line class="%s c%d" x1="%s" x2="100%%" y1="%.1f" y2="%.1f"/>',
  CASE status WHEN 'ranked' THEN 'lead-line' ELSE 'tail' END, line,
  CASE status WHEN 'ranked' THEN '4' ELSE '0' END, end_y, label_y)
  FROM report.line JOIN report.choice WHERE hits ORDER BY line;
SELECT '</svg></div>
<ol class="names">' FROM report.choice WHERE hits;
SELECT printf('<li%s style="top:%.1fpx"><b class="c%d">%s</b><span title="%s">%s</span></li>',
  CASE tall WHEN 20 THEN ' class="short"' END, label_y, line,
  CASE status WHEN 'ranked' THEN rank WHEN 'not ranked' THEN '–' ELSE '?' END,
  html, bdi)
  FROM report.line JOIN report.text ON raw = keyword JOIN report.choice
 WHERE hits ORDER BY label_y;
SELECT '</ol>
<div class="days" aria-hidden="true">' FROM report.choice WHERE hits;
SELECT printf('<span%s style="left:%.2f%%">%s</span>',
  CASE WHEN value % 50 THEN ' class="minor"' ELSE '' END, x, label)
  FROM (SELECT value, x, label, row_number() OVER (PARTITION BY value ORDER BY abs(x - value), n)
               AS nearness
          FROM json_each('[0, 25, 50, 75, 100]') JOIN report.day ON abs(x - value) <= 6)
  JOIN report.choice WHERE hits AND nearness = 1 ORDER BY value;
SELECT '</div>
</div>
<details><summary>The numbers of this chart</summary>
<table><thead><tr><th scope="col">Keyword</th><th scope="col">Rank by day</th></tr></thead>
<tbody>' FROM report.choice WHERE hits;
SELECT printf('<tr><th scope="row">%s</th><td>%s%s</td></tr>', bdi,
  (SELECT group_concat(cell, ' · ') FROM (
     SELECT d.label || ': ' || COALESCE(p.rank, 'not ranked') AS cell
       FROM report.day AS d JOIN report.point AS p ON p.n = d.n AND p.line = l.line
      ORDER BY d.n)),
  CASE WHEN last > days THEN printf(' · no answer on %d day%s', last - days,
    CASE WHEN last - days = 1 THEN '' ELSE 's' END) END)
  FROM report.line AS l JOIN report.text ON raw = l.keyword JOIN report.choice
  JOIN (SELECT line, count(*) AS days FROM report.point GROUP BY line) AS p ON p.line = l.line
 WHERE hits ORDER BY l.line;
SELECT '</tbody></table>
</details>
</section>' FROM report.choice WHERE hits;

-- 4d. Movers.
SELECT printf('<section id="movers">
<h2>Movers</h2>
<p class="lead">%s to %s: %,d keyword%s at the same rank, %,d without the domain on both
days%s.</p>
<div class="movers">', before_day, last_day, same, CASE WHEN same = 1 THEN '' ELSE 's' END, absent,
  CASE WHEN uncompared = 0 THEN '' ELSE printf(
    '. %,d without an answer on one of the days, or both, %s not compared', uncompared,
    CASE WHEN uncompared = 1 THEN 'is' ELSE 'are' END) END)
  FROM report.choice
  JOIN (SELECT count(*) FILTER (WHERE kind = 'same') AS same,
               count(*) FILTER (WHERE kind = 'absent') AS absent FROM report.mover)
  JOIN (SELECT (SELECT count(*) FROM report.keyword) - (SELECT count(*) FROM report.pair)
               AS uncompared)
 WHERE hits AND compared;
SELECT printf('<div id="%s"><h3>%s <span>%,d</span></h3>%s</div>', kind, name, total,
  CASE WHEN total = 0 THEN '<p class="none">None</p>' ELSE
    printf('<table><tbody>%s</tbody></table>%s',
      (SELECT group_concat(row, '') FROM (
         SELECT printf('<tr><th scope="row">%s</th><td class="n">%s</td>%s</tr>', t.bdi,
                  CASE WHEN before IS NULL THEN 'now ' || rank
                       WHEN rank IS NULL THEN 'was ' || before
                       ELSE before || ' → ' || rank END,
                  CASE WHEN before <> rank THEN
                    printf('<td class="n"><span class="%s">%d</span></td>', kind,
                      abs(before - rank)) END) AS row
           FROM report.mover AS m JOIN report.text AS t ON t.raw = m.keyword
          WHERE m.kind = k.kind AND m.place <= movers ORDER BY m.place)),
      CASE WHEN total > movers THEN
        printf('<p class="more">and %,d more</p>', total - movers) END) END)
  FROM (SELECT j.key AS place, j.value ->> 0 AS kind, j.value ->> 1 AS name,
               (SELECT count(*) FROM report.mover AS m WHERE m.kind = j.value ->> 0) AS total
          FROM json_each('[["up", "Up"], ["down", "Down"], ["new", "New"], ["lost", "Lost"]]') AS j
       ) AS k
  JOIN report.most JOIN report.choice
 WHERE hits AND compared ORDER BY k.place;
SELECT CASE WHEN compared THEN '</div>
</section>' WHEN last = 1 THEN '<section id="movers">
<h2>Movers</h2>
<p class="none">There is one day so far. Movers are shown from the second on.</p>
</section>' ELSE printf('<section id="movers">
<h2>Movers</h2>
<p class="none">No keyword was answered both on %s and on %s.</p>
</section>', before_day, last_day) END
  FROM report.choice WHERE hits;

-- 4e. Share of voice.
SELECT printf('<section id="voice">
<h2>Share of voice</h2>
<p class="lead">On %s: the organic results of %,d page%s, each weighted by 1/rank.%s</p>
<table class="voice fixed">
<thead><tr><th scope="col" class="place"><span aria-label="place">#</span></th>
<th scope="col" class="name">Domain</th><th scope="col" aria-label="bar"></th>
<th scope="col" class="n">Share</th><th scope="col" class="n">Change</th></tr></thead>
<tbody>', last_day, pages, CASE WHEN pages = 1 THEN '' ELSE 's' END,
  CASE WHEN compared THEN ' Change in percentage points since ' || before_day || '.' END)
  FROM report.choice WHERE last;
SELECT printf('<tr%s><td class="place">%d</td><th scope="row" class="name">%s</th>' ||
  '<td><svg aria-hidden="true"><rect width="%.2f%%" height="100%%" rx="2"/></svg></td>' ||
  '<td class="n">%.1f %%</td><td class="n">%s</td></tr>',
  CASE WHEN v.domain = c.domain THEN ' class="mine"' ELSE '' END, v.place, t.bdi,
  100 * v.share / (SELECT max(share) FROM report.voice), v.share,
  CASE WHEN round(change, 1) > 0 THEN printf('<span class="up">%.1f</span>', change)
       WHEN round(change, 1) < 0 THEN printf('<span class="down">%.1f</span>', -change)
       WHEN compared AND change IS NOT NULL THEN '<span class="same">=</span>' END)
  FROM report.choice AS c JOIN report.voice AS v JOIN report.most
  JOIN report.text AS t ON t.raw = v.domain
 WHERE last AND ((v.place <= domains AND v.share > 0) OR v.domain = c.domain) ORDER BY v.place;
SELECT printf('</tbody></table>%s
</section>', CASE WHEN n = 0 THEN '<p class="none">None</p>' WHEN n > shown THEN
    printf('<p class="more">%,d more domain%s the remaining %.1f %%.</p>', n - shown,
      CASE WHEN n - shown = 1 THEN ' has' ELSE 's share' END, rest) END)
  FROM (SELECT count(*) AS n, sum(v.place <= domains OR v.domain IS c.domain) AS shown,
               sum(v.share) FILTER (WHERE v.place > domains AND v.domain IS NOT c.domain) AS rest
          FROM report.choice AS c JOIN report.most JOIN report.voice AS v WHERE v.share > 0)
  JOIN report.choice WHERE last;

-- 4f. Features.
SELECT printf('<section id="features">
<h2>What is on the results pages</h2>
<p class="lead">How many of the pages have an element of the type, and how many elements a page
has on average; %s.</p>
<div class="features">', CASE WHEN last = 1 THEN 'so far of one day'
  ELSE printf('one bar for each of %d days, the last in colour; full height is 100 %%', last) END)
  FROM report.choice WHERE last;
SELECT printf('<figure><figcaption><b>%s</b><b>%.0f %%</b><span>%.1f a page</span>' ||
  '</figcaption><svg role="img" aria-labelledby="type-%d-title type-%d-desc">' ||
  '<title id="type-%d-title">%s, share of pages by day</title>' ||
  '<desc id="type-%d-desc">%s</desc>%s</svg></figure>',
  replace(t.bdi, '_', ' '), f.share, 1.0 * f.elements / c.pages,
  f.place, f.place, f.place, replace(t.html, '_', ' '), f.place,
  (SELECT group_concat(part, ', ') FROM (
     SELECT printf('%.0f %% on %s', e.share, d.long) AS part FROM report.feature AS e
       JOIN report.day AS d ON d.n = e.n WHERE e.type = f.type AND d.n IN (1, last)
      ORDER BY d.n)),
  (SELECT group_concat(bar, '') FROM (
     SELECT printf('<rect x="%.2f%%" y="%.2f%%" width="%.2f%%" height="%.2f%%">' ||
              '<title>%s: %.0f %%</title></rect>', (wide - last + e.n - 0.85) * 100 / wide,
              100 - e.share, 70.0 / wide, e.share, d.long, e.share) AS bar
       FROM report.feature AS e JOIN report.day AS d ON d.n = e.n
      WHERE e.type = f.type ORDER BY e.n)))
  FROM (SELECT *, max(last, 8) AS wide FROM report.choice) AS c
  JOIN report.feature AS f ON f.n = c.last
  JOIN report.text AS t ON t.raw = f.type JOIN report.most
 WHERE f.place <= types ORDER BY f.place;
SELECT printf('</div>%s
<details><summary>The numbers of these charts</summary>
<table><thead><tr><th scope="col">Type</th><th scope="col">Pages with it, by day</th></tr></thead>
<tbody>', CASE WHEN n > types THEN
    printf('<p class="more">%,d rarer types are left out.</p>', n - types) END)
  FROM report.choice JOIN report.most JOIN (SELECT count(DISTINCT type) AS n FROM report.feature)
 WHERE last;
SELECT printf('<tr><th scope="row">%s</th><td>%s</td></tr>', replace(t.bdi, '_', ' '),
  (SELECT group_concat(cell, ' · ') FROM (
     SELECT printf('%s: %d of %d', d.label, f.pages,
              (SELECT count(*) FROM report.answer AS a WHERE a.n = f.n)) AS cell
       FROM report.feature AS f JOIN report.day AS d ON d.n = f.n
      WHERE f.type = o.type ORDER BY f.n)))
  FROM (SELECT DISTINCT place, type FROM report.feature) AS o
  JOIN report.text AS t ON t.raw = o.type JOIN report.most
 WHERE place <= types ORDER BY place;
SELECT '</tbody></table>
</details>
</section>' FROM report.choice WHERE last;

-- 4g. Keywords.
SELECT printf('<section id="keywords">
<h2>Keywords</h2>
<p class="lead">On %s%s.%s Trend: rank 1 at the top, %d%s at the bottom; below it a mark for each
day without the domain.</p>
<table class="fixed">
<thead><tr><th scope="col">Keyword and page</th><th scope="col" class="trend">Trend</th>
<th scope="col" class="n">Rank</th><th scope="col" class="n">Change</th>
<th scope="col" class="n wide">Best</th></tr></thead>
<tbody>', last_day, CASE WHEN n > keywords THEN
    printf(', the first %d of %,d; %,d more are left out', keywords, n, n - keywords) END,
  CASE WHEN compared THEN printf(' Change since %s; none where one of the days has no answer.',
    before_day) END,
  table_top, CASE WHEN (SELECT max(rank) FROM report.hit) > 100 THEN ' and more' END)
  FROM report.choice JOIN report.frame JOIN report.most
  JOIN (SELECT count(*) AS n FROM report.keyword)
 WHERE hits;
-- The trend's scale is the same in every row; below it, marks for days without the domain.
CREATE TABLE report.trend(keyword TEXT, n INTEGER, x REAL, y REAL, piece INTEGER);
INSERT INTO report.trend
SELECT k.keyword, a.n, d.x, 2 + 36.0 * (min(h.rank, f.table_top) - 1) / (f.table_top - 1),
       a.n - row_number() OVER (PARTITION BY k.keyword, h.rank IS NULL ORDER BY a.n)
  FROM report.keyword AS k JOIN report.frame AS f JOIN report.answer AS a ON a.keyword = k.keyword
  JOIN report.day AS d ON d.n = a.n
  LEFT JOIN report.hit AS h ON h.keyword = a.keyword AND h.n = a.n
 WHERE k.place <= (SELECT keywords FROM report.most);
CREATE INDEX report.trend_keyword ON trend(keyword, n);
SELECT printf('<tr><th scope="row">%s%s%s</th>' ||
  '<td class="trend"><svg viewBox="0 0 100 44" preserveAspectRatio="none" aria-hidden="true">' ||
  '<path d="%s"/><path class="dot" d="%s"/><path class="off" d="%s"/>' ||
  '<path class="now" d="%s"/></svg></td>' ||
  '<td class="n">%s</td><td class="n">%s</td><td class="n wide">%s</td></tr>',
  t.bdi, '<span class="page">' || title.bdi || '</span>',
  '<span class="url">' || url.bdi || '</span>',
  (SELECT group_concat(printf('M%.2f %.1fL%.2f %.1f', was_x, was_y, x, y), '')
     FROM (SELECT x, y, lag(x) OVER piece AS was_x, lag(y) OVER piece AS was_y
             FROM report.trend AS r WHERE r.keyword = k.keyword AND y IS NOT NULL
           WINDOW piece AS (PARTITION BY r.piece ORDER BY r.n)) WHERE was_x IS NOT NULL),
  (SELECT group_concat(dot, '')
     FROM (SELECT printf('M%.2f %.1fh0', x, y) AS dot FROM report.trend AS r
            WHERE r.keyword = k.keyword AND y IS NOT NULL
            GROUP BY r.piece HAVING count(*) = 1)),
  (SELECT group_concat(printf('M%.2f 43h0', x), '')
     FROM report.trend AS r WHERE r.keyword = k.keyword AND y IS NULL),
  (SELECT printf('M%.2f %.1fh0', x, y) FROM report.trend AS r
    WHERE r.keyword = k.keyword AND r.n = c.last AND y IS NOT NULL),
  CASE status WHEN 'ranked' THEN printf('<b>%d</b>', rank)
              ELSE printf('<span class="none">%s</span>', status) END,
  CASE WHEN before > rank THEN printf('<span class="up">%d</span>', before - rank)
       WHEN before < rank THEN printf('<span class="down">%d</span>', rank - before)
       WHEN before = rank THEN '<span class="same">=</span>'
       WHEN status = 'ranked' AND before_status = 'not ranked' THEN '<span class="up">new</span>'
       WHEN before_status = 'ranked' AND status = 'not ranked' THEN '<span class="down">lost</span>'
       END,
  k.best)
  FROM report.choice AS c JOIN report.keyword AS k JOIN report.text AS t ON t.raw = k.keyword
  LEFT JOIN report.text AS title ON title.raw = k.title
  LEFT JOIN report.text AS url ON url.raw = k.url JOIN report.most
 WHERE hits AND k.place <= keywords ORDER BY k.place;
SELECT '</tbody></table>
</section>' FROM report.choice WHERE hits;

-- 4h. How to read it, what is not in it; also on the empty page.
SELECT printf('<section id="notes" class="notes">
<h2>Notes</h2>
%s<h3>Tasks in the store</h3>', CASE WHEN last THEN '<ul>
<li>Rank is the place of the domain''s best organic result among all elements of the page. Of
several answers to a keyword on one day the last counts. Days are UTC. A domain and the same with
www. or m. are one.</li>
<li>“Not ranked” means that there is an answer without the domain, or without a rank for it. A
task that is pending or failed is no answer: it leaves a gap, and is counted below.</li>
<li>Changes compare only keywords answered on both days, so that a missing answer does not look
like a loss.</li>
' || COALESCE('<li>Answers for other devices are kept apart and not in this report: ' ||
  (SELECT group_concat(bdi || ' (' || n || ')', ', ')
     FROM (SELECT t.bdi, count(*) AS n FROM report.task AS k
             JOIN report.text AS t ON t.raw = k.device
            WHERE k.answered AND k.device <> choice.device
            GROUP BY k.device ORDER BY k.device)) || '.</li>
', '') ||
CASE WHEN days_left_out THEN printf('<li>%,d earlier day%s left out.</li>
', days_left_out, CASE WHEN days_left_out = 1 THEN ' is' ELSE 's are' END) ELSE '' END || '</ul>
' ELSE '' END)
  FROM report.choice;
SELECT CASE WHEN count(*) THEN '<table id="states">
<thead><tr><th scope="col">Device</th><th scope="col">State</th>
<th scope="col" class="n">Tasks</th></tr></thead>
<tbody>' || group_concat(row, '') || '
</tbody></table>' ELSE '<p>None.</p>' END
  FROM (SELECT printf('
<tr><td>%s</td><td>%s</td><td class="n">%,d</td></tr>', d.bdi, s.bdi, count(*)) AS row
          FROM report.task AS t JOIN report.text AS d ON d.raw = t.device
          JOIN report.text AS s ON s.raw = t.state GROUP BY t.device, t.state
         ORDER BY t.device, t.state);
SELECT printf('<p class="more">%,d%s</p>', n, what) FROM (
  SELECT 1 AS place, count(*) AS n, ' posted and not collected yet.' AS what
    FROM naver_serp_posts WHERE id IS NOT NULL AND id NOT IN (SELECT id FROM naver_serp_tasks)
  UNION ALL
  SELECT 2, count(*), ' put in by hand and not read yet: load the extension and run ' ||
         '<code>SELECT count(*) FROM naver_serp;</code>'
    FROM naver_serp_cache WHERE parsed = 0
  UNION ALL
  SELECT 3, count(*), ' answered without a date or a keyword, and left out.'
    FROM report.task WHERE state IN ('ready', 'empty') AND NOT answered
  UNION ALL
  SELECT 4, count(*), ' of them are dummy answers of the sandbox.'
    FROM naver_serp_cache WHERE origin LIKE 'sandbox.%')
 WHERE n ORDER BY place;
SELECT '</section>
</main>
</body>
</html>';

DETACH report;
