-- Which results speak of ...? Full-text search, Korean too, over titles and descriptions.
--
--   sqlite3 serp.db ".param set :words '캠핑 의자'" ".read sql/search.sql"
--
-- Parameters: :words (the keyword of the newest answer), :limit (40 pages). A result is
-- found if each of the words is somewhere in its title or description, also within a word:
-- 의자 finds 캠핑의자를. Case does not matter.
--
-- The index is FTS5's, by trigrams: the table naver_serp_text(title, description), whose
-- rowid is naver_serp_items.item. It is made in the file, which must be writable, and takes
-- about three times the room of the text it holds. Each reading of this script adds the new
-- answers and takes out those that are gone or were parsed anew. `DROP TABLE naver_serp_text;
-- DROP TABLE naver_serp_text_tasks;` takes it all away. To search without this script:
--   SELECT rowid, title FROM naver_serp_text WHERE naver_serp_text MATCH '"캠핑의자"';
--
-- A trigram is three letters, so a word of one or two, as many Korean ones are, is in no
-- index: it is looked for with instr() in what the longer words found. Where all words are
-- that short, this reads the whole table naver_serp_text, which is slower by far.

.bail on
.mode box --wrap 0
.headers on

BEGIN IMMEDIATE; -- A locked file stops here, with nothing begun
CREATE VIRTUAL TABLE IF NOT EXISTS naver_serp_text
  USING fts5(title, description, tokenize = 'trigram');
-- What is in it: the answers, as they were when their text was put there. A stamp is a
-- number that an answer gets anew each time it is parsed.
CREATE TABLE IF NOT EXISTS naver_serp_text_tasks(
  task       INTEGER PRIMARY KEY, -- naver_serp_tasks.task
  stamp      INTEGER NOT NULL,
  first_item INTEGER NOT NULL,
  last_item  INTEGER NOT NULL
);
DROP TABLE IF EXISTS temp.stale;
CREATE TEMP TABLE stale AS
SELECT * FROM naver_serp_text_tasks AS x
 WHERE NOT EXISTS (SELECT 1 FROM naver_serp_tasks AS t
                    WHERE t.task = x.task AND t.stamp = x.stamp);
DELETE FROM naver_serp_text
 WHERE rowid IN (SELECT f.rowid FROM stale AS s CROSS JOIN naver_serp_text AS f
                  WHERE f.rowid BETWEEN s.first_item AND s.last_item);
DELETE FROM naver_serp_text_tasks WHERE task IN (SELECT task FROM stale);
INSERT INTO naver_serp_text(rowid, title, description)
SELECT i.item, i.title, i.description
  FROM naver_serp_tasks AS t
 CROSS JOIN naver_serp_items AS i ON i.item BETWEEN t.first_item AND t.last_item
 WHERE t.task NOT IN (SELECT task FROM naver_serp_text_tasks)
   AND (i.title <> '' OR i.description <> '');
INSERT INTO naver_serp_text_tasks
SELECT task, stamp, first_item, last_item FROM naver_serp_tasks
 WHERE task NOT IN (SELECT task FROM naver_serp_text_tasks);
COMMIT;

-- The words, one a row, in lower case as the trigrams are.
DROP TABLE IF EXISTS temp.words;
CREATE TEMP TABLE words AS
WITH RECURSIVE said(rest) AS (
  SELECT replace(replace(replace(coalesce(:words,
           (SELECT keyword FROM naver_serp_tasks WHERE keyword IS NOT NULL
             ORDER BY datetime DESC, id DESC LIMIT 1)), char(9), ' '), char(10), ' '),
           char(12288), ' ') || ' '
), split(word, rest) AS (
  SELECT NULL, rest FROM said
  UNION ALL
  SELECT substr(rest, 1, instr(rest, ' ') - 1), substr(rest, instr(rest, ' ') + 1)
    FROM split WHERE rest <> ''
)
SELECT DISTINCT lower(word) AS word, length(word) > 2 AS indexed FROM split WHERE word <> '';

DROP TABLE IF EXISTS temp.found;
CREATE TEMP TABLE found AS
SELECT rowid AS item, title, description FROM naver_serp_text
 WHERE naver_serp_text MATCH
       coalesce((SELECT group_concat('"' || replace(word, '"', '""') || '"', ' AND ')
                   FROM words WHERE indexed), '""');
INSERT INTO found
SELECT rowid, title, description FROM naver_serp_text
 WHERE (SELECT total(indexed) FROM words) = 0 AND EXISTS (SELECT 1 FROM words);
DELETE FROM found
 WHERE EXISTS (SELECT 1 FROM words WHERE NOT indexed
                  AND NOT instr(lower(coalesce(title, '') || char(10)
                                      || coalesce(description, '')), word));

.print Looked for
SELECT group_concat(word, ' ') AS words, (SELECT count(*) FROM found) AS results,
       (SELECT count(*) FROM naver_serp_text_tasks) AS answers,
       iif(total(indexed) = 0, 'no, all words are short', 'yes') AS by_index
  FROM words;

-- A terminal obeys what follows an escape (27; 155 in one byte): it is shown as a sign.
.print Found
.mode line
WITH places AS (
  SELECT i.type, i.rank_absolute AS rank,
         replace(replace(f.title, char(27), '␛'), char(155), '␛') AS title,
         replace(replace(i.url, char(27), '␛'), char(155), '␛') AS url,
         replace(replace(replace(f.description, char(27), '␛'), char(155), '␛'), char(10), ' ')
           AS text,
         (SELECT min(nullif(instr(lower(f.description), word), 0)) FROM words) AS at,
         coalesce(date(t.datetime), (SELECT date(c.fetched_at) FROM naver_serp_cache AS c
                                      WHERE c.id = t.id)) AS date
    FROM found AS f
    JOIN naver_serp_items AS i ON i.item = f.item
    JOIN naver_serp_tasks AS t ON t.task = i.task
), pages AS (
  SELECT *, count(*) OVER page AS times, min(rank) OVER page AS best,
         row_number() OVER (PARTITION BY type, coalesce(url, title)
                            ORDER BY date DESC, rank IS NULL, rank) AS nth
    FROM places WINDOW page AS (PARTITION BY type, coalesce(url, title))
)
SELECT type, title, iif(at > 21, '…', '') || substr(text, max(1, coalesce(at, 1) - 20), 80)
         || iif(length(text) > max(1, coalesce(at, 1) - 20) + 79, '…', '') AS text,
       url, times, best AS best_rank, date AS last_seen
  FROM pages WHERE nth = 1
 ORDER BY times DESC, best IS NULL, best, url LIMIT coalesce(CAST(:limit AS INTEGER), 40);
.mode box --wrap 0
