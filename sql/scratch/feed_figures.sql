-- name: create_rows
-- The rows of the feed that is being counted; a quantity is units and millionths of one, both whole numbers.
CREATE TABLE feed_row (
    line_number integer NOT NULL,
    variant_id text NOT NULL,
    location_id text NOT NULL,
    units integer NOT NULL,
    millionths integer NOT NULL,
    is_counted integer NOT NULL
);

-- name: create_variants
-- What a counted feed says of each variant.
CREATE TABLE feed_variant (
    feed text NOT NULL,
    variant_id text NOT NULL,
    row_count integer NOT NULL,
    is_in_stock integer NOT NULL,
    PRIMARY KEY (feed, variant_id)
) WITHOUT ROWID;

-- name: append_row
-- One row of the feed.
INSERT INTO feed_row (line_number, variant_id, location_id, units, millionths, is_counted)
VALUES (?, ?, ?, ?, ?, ?);

-- name: find_conflict
-- A variant and location that stands twice with different quantities, the first one by line.
SELECT
    variant_id,
    location_id,
    min(line_number) AS first_line,
    max(line_number) AS last_line
FROM feed_row
GROUP BY variant_id, location_id
HAVING min(units) <> max(units) OR min(millionths) <> max(millionths)
ORDER BY first_line
LIMIT 1;

-- name: sum_up
-- Of rows that say the same twice the first one counts: SQLite takes the other columns from the row of min().
INSERT INTO feed_variant (feed, variant_id, row_count, is_in_stock)
SELECT
    :feed,
    variant_id,
    count(*),
    sum(units * is_counted) + sum(millionths * is_counted) / 1000000 >= 1
FROM (
    SELECT
        variant_id,
        units,
        millionths,
        is_counted,
        min(line_number) AS first_line
    FROM feed_row
    GROUP BY variant_id, location_id
)
GROUP BY variant_id
ORDER BY variant_id;

-- name: clear_rows
-- The rows have served.
DELETE FROM feed_row;

-- name: measure
-- The figures that the gates look at.
SELECT
    coalesce(sum(row_count), 0) AS row_count,
    count(*) AS variant_count,
    count(*) FILTER (WHERE NOT is_in_stock) AS zero_count
FROM feed_variant
WHERE feed = :feed;

-- name: count_risen
-- Variants that are in stock now and stood at zero in the baseline.
SELECT count(*)
FROM feed_variant AS present
JOIN feed_variant AS earlier ON earlier.feed = :baseline AND earlier.variant_id = present.variant_id
WHERE present.feed = :feed AND present.is_in_stock AND NOT earlier.is_in_stock;
