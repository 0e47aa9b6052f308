-- A text that had an apostrophe before its formula gets one more, so that reading it back gives the same (SEMANTICS 9.2).
CREATE OR REPLACE FUNCTION spreadsheet_text(cell text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE WHEN left(ltrim(cell, ''''), 1) IN ('=', '+', '-', '@', E'\t', E'\r', E'\n') THEN '''' || cell ELSE cell END
$$;
