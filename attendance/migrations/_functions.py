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

CREATE FUNCTION attendance_attended_stays() RETURNS trigger LANGUAGE plpgsql AS $body$
-- Stands on the bookings. The row is locked before this runs, so a record that is written at the
-- same moment is either seen here or meets the booking as it will be (attendance_on_the_roster).
BEGIN
    IF (NEW.state = 'withdrawn' OR NOT NEW.live) AND EXISTS (
        SELECT FROM attendance_attendancerecord r WHERE r.booking_id = NEW.id AND r.attended
    ) THEN
        RAISE EXCEPTION 'the patient attended'
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$body$;

CREATE FUNCTION attendance_on_the_roster() RETURNS trigger LANGUAGE plpgsql AS $body$
-- Locks the booking it reads, so that it is not withdrawn or cancelled before the record is there.
DECLARE
    expected boolean;
BEGIN
    IF NOT NEW.attended THEN RETURN NEW; END IF;
    SELECT b.live AND b.state <> 'withdrawn' INTO expected
    FROM scheduling_booking b WHERE b.id = NEW.booking_id FOR NO KEY UPDATE;
    IF NOT expected THEN
        RAISE EXCEPTION 'nobody attends a withdrawn or cancelled booking'
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$body$;
"""

DROP = """
DROP FUNCTION attendance_on_the_roster();
-- With its trigger: that one stands on a table of another floor, which stays.
DROP FUNCTION attendance_attended_stays() CASCADE;
DROP FUNCTION attendance_standard_immutable();
"""
