-- Somebody who unsubscribed complains: the day on which that counts may have been built (SEMANTICS 9.1).
CREATE TRIGGER changed_suppressions AFTER UPDATE ON suppression
REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION note_late('suppressed_at');
