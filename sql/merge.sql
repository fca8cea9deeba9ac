-- Takes what another store has into this one: answers with their rows, and posts.
--
--   sqlite3 serp.db < sql/store.sql
--   sqlite3 other.db < sql/store.sql
--   sqlite3 -cmd "ATTACH 'file:other.db?mode=ro' AS other" serp.db < sql/merge.sql
--
-- (The first two lines make tables that are not there yet, and change no others.) Needs no
-- extension, changes nothing in the other file, is one transaction, and does nothing when run
-- again. Where both files have an id, the other's answer is taken if it is better than ours:
--
--   1. an answer of the API is better than one of its sandbox;
--   2. then one with rows is better than one without;
--   3. then a newer one (fetched_at; NULL is oldest) is better. The same age: ours stays.
--
-- Rows that were derived from an answer are copied under new numbers. An answer that is not
-- parsed yet is copied as it is, and parsed by the next naver_serp query.

.bail on
BEGIN IMMEDIATE;

-- The answers to take. One that is not parsed yet is looked into for rows.
CREATE TEMP TABLE merge_answers(id TEXT PRIMARY KEY);
INSERT INTO merge_answers
SELECT o.id FROM other.naver_serp_cache AS o LEFT JOIN main.naver_serp_cache AS m ON m.id = o.id
 WHERE m.id IS NULL OR
       (o.origin IS NULL OR o.origin NOT LIKE 'sandbox.%',
        EXISTS (SELECT 1 FROM other.naver_serp_tasks AS t
                 WHERE t.id = o.id AND t.stamp = o.parsed AND t.state = 'ready')
        OR CASE WHEN o.parsed <> 0 OR NOT json_valid(CAST(o.body AS TEXT)) THEN 0
                ELSE ifnull(json_array_length(CAST(o.body AS TEXT),
                                              '$.tasks[0].result[0].items'), 0) > 0 END,
        ifnull(o.fetched_at, ''))
       >
       (m.origin IS NULL OR m.origin NOT LIKE 'sandbox.%',
        EXISTS (SELECT 1 FROM main.naver_serp_tasks AS t
                 WHERE t.id = m.id AND t.stamp = m.parsed AND t.state = 'ready')
        OR CASE WHEN m.parsed <> 0 OR NOT json_valid(CAST(m.body AS TEXT)) THEN 0
                ELSE ifnull(json_array_length(CAST(m.body AS TEXT),
                                              '$.tasks[0].result[0].items'), 0) > 0 END,
        ifnull(m.fetched_at, ''));

-- Their bodies. The triggers of the store take away what was derived from ours.
INSERT INTO main.naver_serp_cache(id, origin, fetched_at, parsed, body)
SELECT id, origin, fetched_at, 0, body FROM other.naver_serp_cache
 WHERE id IN (SELECT id FROM merge_answers)
    ON CONFLICT(id) DO UPDATE SET origin = excluded.origin, fetched_at = excluded.fetched_at,
                                  parsed = 0, body = excluded.body;

-- Their rows, numbered on from ours. Those of a body go by the stamp that it has.
CREATE TEMP TABLE merge_tasks(task INTEGER PRIMARY KEY, new_task INTEGER NOT NULL);
INSERT INTO merge_tasks
SELECT t.task, row_number() OVER (ORDER BY t.task)
               + (SELECT ifnull(max(task), 0) FROM main.naver_serp_tasks)
  FROM other.naver_serp_tasks AS t
  JOIN other.naver_serp_cache AS c ON c.id = t.id AND c.parsed = t.stamp
 WHERE t.id IN (SELECT id FROM merge_answers);

INSERT INTO main.naver_serp_tasks(
  task, first_item, last_item,
  stamp, odd, id, state, status_code, status_message, keyword, se_domain, location_code,
  language_code, device, os, tag, datetime, type, se_results_count, pages_count, items_count,
  result_count, cost, time, version, check_url, spell, refinement_chips, item_types, path,
  data, unmapped)
SELECT n.new_task, t.first_item + (n.new_task - n.task) * 16777216,
       t.last_item + (n.new_task - n.task) * 16777216,
       t.stamp, t.odd, t.id, t.state, t.status_code, t.status_message, t.keyword, t.se_domain,
       t.location_code, t.language_code, t.device, t.os, t.tag, t.datetime, t.type,
       t.se_results_count, t.pages_count, t.items_count, t.result_count, t.cost, t.time,
       t.version, t.check_url, t.spell, t.refinement_chips, t.item_types, t.path, t.data,
       t.unmapped
  FROM merge_tasks AS n JOIN other.naver_serp_tasks AS t ON t.task = n.task ORDER BY n.task;

INSERT INTO main.naver_serp_items(
  item, task,
  odd, type, rank_group, rank_absolute, page, position, is_image, is_video,
  is_featured_snippet, is_malicious, is_web_story, is_paid, amp_version, domain, timestamp,
  phone, cid, title, breadcrumb, url, description, pre_snippet, extended_snippet, xpath,
  cache_url, rating, highlighted, links, faq, extended_people_also_search, items, extra,
  description_rows, rectangle, unmapped)
SELECT i.item + (n.new_task - n.task) * 16777216, n.new_task,
       i.odd, i.type, i.rank_group, i.rank_absolute, i.page, i.position, i.is_image,
       i.is_video, i.is_featured_snippet, i.is_malicious, i.is_web_story, i.is_paid,
       i.amp_version, i.domain, i.timestamp, i.phone, i.cid, i.title, i.breadcrumb, i.url,
       i.description, i.pre_snippet, i.extended_snippet, i.xpath, i.cache_url, i.rating,
       i.highlighted, i.links, i.faq, i.extended_people_also_search, i.items, i.extra,
       i.description_rows, i.rectangle, i.unmapped
  FROM merge_tasks AS n JOIN other.naver_serp_tasks AS t ON t.task = n.task
  JOIN other.naver_serp_items AS i ON i.item BETWEEN t.first_item AND t.last_item
 ORDER BY n.task, i.item;

UPDATE main.naver_serp_cache AS c
   SET parsed = (SELECT o.parsed FROM other.naver_serp_cache AS o WHERE o.id = c.id)
 WHERE id IN (SELECT t.id FROM merge_tasks AS n
                JOIN other.naver_serp_tasks AS t ON t.task = n.task);

-- Posts, the record of what was spent: all that are not here yet. One without an id is the
-- same if everything is. IN is looked up; a comparison row by row takes hours for many posts.
INSERT INTO main.naver_serp_posts(
  keyword, priority, depth, max_crawl_pages, device, os, se_domain, search_param, url, tag,
  options, id, state, status_code, status_message, cost, posted_at)
SELECT
  o.keyword, o.priority, o.depth, o.max_crawl_pages, o.device, o.os, o.se_domain,
  o.search_param, o.url, o.tag, o.options, o.id, o.state, o.status_code, o.status_message,
  o.cost, o.posted_at
  FROM other.naver_serp_posts AS o
 WHERE CASE WHEN o.id IS NOT NULL
            THEN o.id NOT IN (SELECT id FROM main.naver_serp_posts WHERE id IS NOT NULL)
            ELSE json_array(
                   o.keyword, o.priority, o.depth, o.max_crawl_pages, o.device, o.os,
                   o.se_domain, o.search_param, o.url, o.tag, o.options, o.state,
                   o.status_code, o.status_message, o.cost, o.posted_at)
                 NOT IN (SELECT json_array(
                   keyword, priority, depth, max_crawl_pages, device, os,
                   se_domain, search_param, url, tag, options, state,
                   status_code, status_message, cost, posted_at)
                   FROM main.naver_serp_posts WHERE id IS NULL) END
 ORDER BY o.post;

COMMIT;
SELECT count(*) AS answers_taken FROM merge_answers;
DROP TABLE temp.merge_tasks;
DROP TABLE temp.merge_answers;
