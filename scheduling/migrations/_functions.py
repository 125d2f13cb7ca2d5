"""Functions of this floor, created by its first migration.

Each trigger locks the parent it reads (FOR NO KEY UPDATE), so that a capacity cannot be lowered
while a seat is being given away; services hold that lock already.
"""

CREATE = """
CREATE FUNCTION scheduling_minutes(starts timestamptz, ends timestamptz) RETURNS integer
LANGUAGE sql IMMUTABLE AS $body$ SELECT (extract(epoch FROM ends - starts) / 60)::integer $body$;

CREATE FUNCTION scheduling_wall_minutes(starts time, ends time) RETURNS integer
LANGUAGE sql IMMUTABLE AS $body$ SELECT (extract(epoch FROM ends - starts) / 60)::integer $body$;

CREATE FUNCTION scheduling_breaks_ok(breaks jsonb, minutes integer) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $body$
-- Whether `breaks` is [[from, to], ...] in whole minutes, in order, apart, inside the session.
DECLARE
    pause jsonb;
    reached integer := 0;
BEGIN
    IF jsonb_typeof(breaks) <> 'array' THEN RETURN false; END IF;
    FOR pause IN SELECT value FROM jsonb_array_elements(breaks) LOOP
        IF jsonb_typeof(pause) <> 'array' THEN RETURN false; END IF;
        IF jsonb_array_length(pause) <> 2
           OR jsonb_typeof(pause->0) <> 'number' OR jsonb_typeof(pause->1) <> 'number'
           OR (pause->>0)::numeric <> trunc((pause->>0)::numeric)
           OR (pause->>1)::numeric <> trunc((pause->>1)::numeric)
           OR (pause->>0)::numeric < reached OR (pause->>1)::numeric <= (pause->>0)::numeric
           OR (pause->>1)::numeric > minutes
        THEN RETURN false; END IF;
        reached := (pause->>1)::numeric;
    END LOOP;
    RETURN true;
END
$body$;

CREATE FUNCTION scheduling_clinic_today(one_clinic bigint) RETURNS date LANGUAGE sql STABLE
AS $body$ SELECT (now() AT TIME ZONE zone)::date FROM accounts_clinic WHERE id = one_clinic $body$;

CREATE FUNCTION scheduling_membership_seat() RETURNS trigger LANGUAGE plpgsql AS $body$
-- A seat above the group's capacity needs an overflow reason; memberships that ended keep theirs.
DECLARE
    seats integer;
BEGIN
    SELECT capacity INTO seats FROM scheduling_group WHERE id = NEW.group_id FOR NO KEY UPDATE;
    IF NEW.seat > seats AND NEW.overflow_reason = ''
       AND coalesce(NEW.ends_on >= scheduling_clinic_today(NEW.clinic_id), true) THEN
        RAISE EXCEPTION 'seat above the capacity of the group'
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$body$;

CREATE FUNCTION scheduling_group_capacity() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF NEW.capacity < OLD.capacity AND EXISTS (
        SELECT FROM scheduling_groupmembership m
        WHERE m.clinic_id = NEW.clinic_id AND m.group_id = NEW.id
          AND m.seat > NEW.capacity AND m.overflow_reason = ''
          AND coalesce(m.ends_on >= scheduling_clinic_today(NEW.clinic_id), true)
    ) THEN
        RAISE EXCEPTION 'members sit above the new capacity'
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$body$;

CREATE FUNCTION scheduling_booking_seat() RETURNS trigger LANGUAGE plpgsql AS $body$
-- A booked seat lies within the session's capacity, or with a reason within its ceiling.
DECLARE
    seats integer;
    most integer;
BEGIN
    IF NEW.state <> 'booked' THEN RETURN NEW; END IF;
    SELECT capacity, ceiling INTO seats, most
    FROM scheduling_session WHERE id = NEW.session_id FOR NO KEY UPDATE;
    IF NEW.seat > most OR (NEW.seat > seats AND NEW.overflow_reason = '') THEN
        RAISE EXCEPTION 'seat above the capacity of the session'
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END
$body$;

CREATE FUNCTION scheduling_booking_visits() RETURNS trigger LANGUAGE plpgsql AS $body$
-- A visit may overlap only the booking around it. Once that one is released, withdrawn or cancelled
-- the visit stands alone, or the patient could be booked elsewhere while it lasts.
BEGIN
    IF OLD.live AND OLD.state = 'booked' AND NOT (NEW.live AND NEW.state = 'booked') THEN
        UPDATE scheduling_booking
        SET nested_in_id = NULL, outer_starts_at = NULL, outer_ends_at = NULL,
            version = version + 1
        WHERE clinic_id = NEW.clinic_id AND nested_in_id = NEW.id;
    END IF;
    RETURN NULL;
END
$body$;

CREATE FUNCTION scheduling_session_capacity() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF (NEW.capacity < OLD.capacity OR NEW.ceiling < OLD.ceiling) AND EXISTS (
        SELECT FROM scheduling_booking b
        WHERE b.session_id = NEW.id AND b.state = 'booked' AND b.live
          AND (b.seat > NEW.ceiling OR (b.seat > NEW.capacity AND b.overflow_reason = ''))
    ) THEN
        RAISE EXCEPTION 'patients are booked above the new capacity'
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$body$;
"""

DROP = """
DROP FUNCTION scheduling_session_capacity();
DROP FUNCTION scheduling_booking_visits();
DROP FUNCTION scheduling_booking_seat();
DROP FUNCTION scheduling_group_capacity();
DROP FUNCTION scheduling_membership_seat();
DROP FUNCTION scheduling_clinic_today(bigint);
DROP FUNCTION scheduling_breaks_ok(jsonb, integer);
DROP FUNCTION scheduling_wall_minutes(time, time);
DROP FUNCTION scheduling_minutes(timestamptz, timestamptz);
"""
