-- What naver_serp is for, on the sample answer: no account, no network.
--   make demo
-- runs this with the sqlite3 shell on a fresh database, build/demo.db.

.load build/naver_serp
.mode box --wrap 60 --wordwrap on
.nullvalue NULL

.print A saved answer is stored once:
SELECT naver_serp_import(readfile('data/sample.json')) AS id;

.print
.print Organic results:
SELECT keyword, rank_absolute, domain, title
  FROM naver_serp('03171324-1535-0066-0000-770617fdc9a8')
 WHERE type = 'organic';

.print
.print What is on the page:
SELECT type, count(*) AS elements, min(rank_absolute) AS first_at
  FROM naver_serp('03171324-1535-0066-0000-770617fdc9a8')
 GROUP BY type ORDER BY first_at, type;

.print
.print Each element. NULL: it has no such member. An address at Naver can have 900 letters:
SELECT rank_absolute AS rank, type, domain, substr(title, 1, 24) AS title,
       substr(url, 1, 36) AS url
  FROM naver_serp('03171324-1535-0066-0000-770617fdc9a8');

.print
.print Sitelinks of the organic result:
SELECT s.domain, link.value ->> 'title' AS title, link.value ->> 'url' AS url
  FROM naver_serp('03171324-1535-0066-0000-770617fdc9a8') AS s, json_each(s.links) AS link;

.print
.print Videos:
SELECT video.value ->> 'source' AS source, video.value ->> 'title' AS title,
       date(video.value ->> 'timestamp') AS published
  FROM naver_serp('03171324-1535-0066-0000-770617fdc9a8') AS s, json_each(s.items) AS video
 WHERE s.type = 'video';

.print
.print Images:
SELECT image.key + 1 AS n, image.value ->> 'alt' AS alt,
       substr(image.value ->> 'url', 1, 50) || '...' AS url
  FROM naver_serp('03171324-1535-0066-0000-770617fdc9a8') AS s, json_each(s.items) AS image
 WHERE s.type = 'images';

.print
.print Related searches:
SELECT group_concat(related.value, ', ') AS related_searches
  FROM naver_serp('03171324-1535-0066-0000-770617fdc9a8') AS s, json_each(s.items) AS related
 WHERE s.type = 'related_searches';

.print
.print The task itself:
SELECT id, state, keyword, device, datetime, items_count, cost FROM naver_serp_task;

.print
.print It all stays in build/demo.db, for any SQLite, without the extension.
