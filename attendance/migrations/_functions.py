"""Trigger functions of this floor, created by its first migration."""

CREATE = """
CREATE FUNCTION attendance_standard_immutable() RETURNS trigger LANGUAGE plpgsql AS $body$
-- Only the last day may be set, and not before the end of a week already judged by the standard.
BEGIN
    IF TG_OP = 'UPDATE'
       AND to_jsonb(NEW) - 'ends_on' = to_jsonb(OLD) - 'ends_on'
       AND NOT EXISTS (
           SELECT FROM attendance_weekresult r
           WHERE r.standard_id = OLD.id AND r.segment_ends_on > NEW.ends_on)
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'a standard is never changed or deleted'
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
END
$body$;
"""

DROP = "DROP FUNCTION attendance_standard_immutable();"
