-- name: insert
-- What pgbench commits: one request of a known person.
INSERT INTO subscription
(shop_id, variant_id, profile_id, channels, source, subscribed_at, created_at, state)
SELECT 'bench', 'f' || nextval('bench_number'), 1, '{EMAIL}', 'bench', now(), now(), 'waiting';

-- name: count_requests
-- How many were taken so far.
SELECT count(*) FROM subscription;

-- name: known_person
-- Whose requests pgbench commits.
INSERT INTO profile (shop_id, email, email_key, created_at) VALUES ('bench', 'a@b.c', 'a@b.c', now());
