-- Views of the stored answers, one a kind of element, for any SQLite from 3.38 on.
--
--   sqlite3 serp.db < sql/views.sql       or, in a shell, .read sql/views.sql
--   SELECT date, rank, title FROM naver_serp_organic WHERE domain = 'blog.example.com';
--
-- once the tables are there (made by the first answer stored, or by sql/store.sql).
--
-- They read the tables of sql/store.sql alone, so they stay in the file and work where
-- the extension is not loaded. Reading this file again replaces them.
--
--   naver_serp_elements          every element, whatever its type
--   naver_serp_organic           organic results
--   naver_serp_paid              ads
--   naver_serp_local_pack        places; naver_serp_map: the map beside them
--   naver_serp_sitelinks         links below an organic result or an ad
--   naver_serp_faq               questions below an organic result, with their answers;
--                                naver_serp_faq_links: links in those answers
--   naver_serp_also_searched     queries below an organic result
--   naver_serp_videos            videos of a video block
--   naver_serp_images            images of an image block
--   naver_serp_related_searches  queries of the related searches
--
-- Each begins with keyword, date, device and rank, and ends with id (of the task), task
-- and item (of the stored tables). What is nested has the rank of the element around it,
-- and its own place in there, from 1.
--   date  day of the answer, in UTC: of its datetime, or where it has none (answers
--         without results) of the day it was fetched
--   rank  rank_absolute: among all elements of the page, and not always unique
--
-- Not here: bodies that nothing has parsed yet, such as those put into naver_serp_cache
-- by hand. They come with the next naver_serp query, for instance
-- `SELECT count(*) FROM naver_serp;`. All answers of a day are here, also several of one
-- keyword; sql/common.sql picks the last.
--
-- With PRAGMA trusted_schema = OFF, SQLite 3.40 refuses every view that uses its JSON
-- functions, and so these; the analyses beside this file work there too.
--
-- Sandbox answers count like any other: keep them in another file, or delete them
-- (`DELETE FROM naver_serp_cache WHERE origin LIKE 'sandbox.%'`).

.bail on
-- So that a keyword's elements are found without reading those of all others.
CREATE INDEX IF NOT EXISTS naver_serp_tasks_keyword ON naver_serp_tasks(keyword);

DROP VIEW IF EXISTS naver_serp_organic;
DROP VIEW IF EXISTS naver_serp_paid;
DROP VIEW IF EXISTS naver_serp_local_pack;
DROP VIEW IF EXISTS naver_serp_map;
DROP VIEW IF EXISTS naver_serp_sitelinks;
DROP VIEW IF EXISTS naver_serp_faq;
DROP VIEW IF EXISTS naver_serp_faq_links;
DROP VIEW IF EXISTS naver_serp_also_searched;
DROP VIEW IF EXISTS naver_serp_videos;
DROP VIEW IF EXISTS naver_serp_images;
DROP VIEW IF EXISTS naver_serp_related_searches;
DROP VIEW IF EXISTS naver_serp_elements;

-- Both conditions of the join say the same: the first finds the items of a task, the
-- second the task of an item that was found by its domain.
-- The JSON columns are made fit for json_each: an array as it is, an object as an array
-- of it, NULL for text that is no JSON, so that one odd answer does not end a query.
-- `highlighted` and `description_rows` are as they came.
CREATE VIEW naver_serp_elements AS
SELECT t.keyword,
       coalesce(date(t.datetime), (SELECT date(c.fetched_at) FROM naver_serp_cache AS c
                                    WHERE c.id = t.id)) AS date,
       t.device,
       i.rank_absolute AS rank,
       i.rank_group,
       i.type, i.page, i.position, i.domain, i.title, i.url, i.breadcrumb, i.description,
       i.pre_snippet, i.extended_snippet, i.timestamp, i.phone, i.cid,
       i.is_image, i.is_video, i.is_featured_snippet, i.is_malicious, i.is_web_story,
       i.is_paid, i.amp_version,
       iif(json_valid(i.rating), i.rating, NULL) AS rating,
       iif(json_valid(i.extra), i.extra, NULL) AS extra,
       i.description_rows,
       i.highlighted,
       iif(NOT json_valid(i.links), NULL,
           iif(json_type(i.links) = 'object', '[' || i.links || ']', i.links)) AS links,
       iif(json_valid(i.faq), i.faq, NULL) AS faq,
       iif(NOT json_valid(i.extended_people_also_search), NULL, i.extended_people_also_search)
         AS extended_people_also_search,
       iif(NOT json_valid(i.items), NULL,
           iif(json_type(i.items) = 'object', '[' || i.items || ']', i.items)) AS items,
       t.id, t.task, i.item
  FROM naver_serp_tasks AS t
  JOIN naver_serp_items AS i
    ON i.item BETWEEN t.first_item AND t.last_item AND i.task = t.task;

CREATE VIEW naver_serp_organic AS
SELECT keyword, date, device, rank, rank_group, page, position, domain, title, url,
       breadcrumb, description, pre_snippet, extended_snippet, timestamp AS published,
       is_image, is_video, is_featured_snippet, is_malicious, is_web_story, amp_version,
       rating ->> '$.value' AS rating, rating ->> '$.rating_max' AS rating_max,
       rating ->> '$.votes_count' AS votes, highlighted, id, task, item
  FROM naver_serp_elements WHERE type = 'organic';

CREATE VIEW naver_serp_paid AS
SELECT keyword, date, device, rank, rank_group, page, position, domain, title, url,
       breadcrumb, description, description_rows, extra ->> '$.ad_aclk' AS ad_aclk,
       highlighted, id, task, item
  FROM naver_serp_elements WHERE type = 'paid';

CREATE VIEW naver_serp_local_pack AS
SELECT keyword, date, device, rank, rank_group, page, position, domain, title, url,
       description, phone, cid, is_paid,
       rating ->> '$.value' AS rating, rating ->> '$.rating_max' AS rating_max,
       rating ->> '$.votes_count' AS votes, id, task, item
  FROM naver_serp_elements WHERE type = 'local_pack';

CREATE VIEW naver_serp_map AS
SELECT keyword, date, device, rank, rank_group, page, position, title, url, id, task, item
  FROM naver_serp_elements WHERE type = 'map';

-- `domain` and `type` are those of the result around the link: 'organic' or 'paid'.
-- Here and below, an element that is no object, where one is expected, is left out. Its
-- members are looked up in the whole list by their path: in a `value` that is mere text, a
-- look-up is an error, and nothing promises that the condition on its type comes first.
CREATE VIEW naver_serp_sitelinks AS
SELECT e.keyword, e.date, e.device, e.rank, e.type, e.domain, link.key + 1 AS place,
       link.json ->> (link.fullkey || '.title') AS title,
       link.json ->> (link.fullkey || '.url') AS url,
       link.json ->> (link.fullkey || '.description') AS description,
       link.json ->> (link.fullkey || '.ad_aclk') AS ad_aclk,
       e.id, e.task, e.item
  FROM naver_serp_elements AS e, json_each(e.links) AS link
 WHERE link.type = 'object';

CREATE VIEW naver_serp_faq AS
SELECT e.keyword, e.date, e.device, e.rank, e.domain, e.url, faq.key + 1 AS place,
       faq.json ->> (faq.fullkey || '.title') AS question,
       faq.json ->> (faq.fullkey || '.description') AS answer,
       e.id, e.task, e.item
  FROM naver_serp_elements AS e, json_each(e.faq, '$.items') AS faq
 WHERE faq.type = 'object';

-- `place` is the question's, `link_place` that of the link in its answer.
CREATE VIEW naver_serp_faq_links AS
SELECT e.keyword, e.date, e.device, e.rank, e.domain, faq.key + 1 AS place,
       faq.json ->> (faq.fullkey || '.title') AS question, link.key + 1 AS link_place,
       link.json ->> (link.fullkey || '.title') AS title,
       link.json ->> (link.fullkey || '.url') AS url,
       e.id, e.task, e.item
  FROM naver_serp_elements AS e, json_each(e.faq, '$.items') AS faq,
       json_each(faq.json, faq.fullkey || '.links') AS link
 WHERE link.type = 'object';

CREATE VIEW naver_serp_also_searched AS
SELECT e.keyword, e.date, e.device, e.rank, e.domain, also.key + 1 AS place,
       iif(also.type = 'object', also.json ->> (also.fullkey || '.title'), also.value) AS query,
       e.id, e.task, e.item
  FROM naver_serp_elements AS e, json_each(e.extended_people_also_search) AS also
 WHERE also.type NOT IN ('array', 'null');

CREATE VIEW naver_serp_videos AS
SELECT e.keyword, e.date, e.device, e.rank, video.key + 1 AS place,
       video.json ->> (video.fullkey || '.source') AS source,
       video.json ->> (video.fullkey || '.title') AS title,
       video.json ->> (video.fullkey || '.timestamp') AS published,
       video.json ->> (video.fullkey || '.url') AS url,
       e.id, e.task, e.item
  FROM naver_serp_elements AS e, json_each(e.items) AS video
 WHERE e.type = 'video' AND video.type = 'object';

CREATE VIEW naver_serp_images AS
SELECT e.keyword, e.date, e.device, e.rank, image.key + 1 AS place,
       image.json ->> (image.fullkey || '.alt') AS alt,
       image.json ->> (image.fullkey || '.url') AS url,
       e.id, e.task, e.item
  FROM naver_serp_elements AS e, json_each(e.items) AS image
 WHERE e.type = 'images' AND image.type = 'object';

CREATE VIEW naver_serp_related_searches AS
SELECT e.keyword, e.date, e.device, e.rank, related.key + 1 AS place,
       iif(related.type = 'object', related.json ->> (related.fullkey || '.title'),
           related.value) AS query,
       e.id, e.task, e.item
  FROM naver_serp_elements AS e, json_each(e.items) AS related
 WHERE e.type = 'related_searches' AND related.type NOT IN ('array', 'null');
