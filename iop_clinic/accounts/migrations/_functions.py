"""Trigger functions of this floor, created by its first migration."""

CREATE = """
CREATE FUNCTION iop_audit() RETURNS trigger LANGUAGE plpgsql AS $body$
-- Copies every changed row of the statement into accounts_auditevent. The arguments name columns
-- that are not copied. The actor is the transaction's, or else the database user.
DECLARE
    who text := coalesce(
        nullif(current_setting('iop.actor', true), ''), 'database:' || session_user);
    hidden text[] := coalesce(TG_ARGV[:], '{}');
    is_clinic boolean := TG_TABLE_NAME = 'accounts_clinic';
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO accounts_auditevent (clinic_id, table_name, row_id, operation, new, actor, at)
        SELECT CASE WHEN is_clinic THEN n.id ELSE (row->>'clinic_id')::bigint END,
               TG_TABLE_NAME, n.id, 'I', row - hidden, who, clock_timestamp()
        FROM new_rows n, LATERAL to_jsonb(n) AS row;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO accounts_auditevent (clinic_id, table_name, row_id, operation, old, actor, at)
        SELECT CASE WHEN is_clinic THEN o.id ELSE (row->>'clinic_id')::bigint END,
               TG_TABLE_NAME, o.id, 'D', row - hidden, who, clock_timestamp()
        FROM old_rows o, LATERAL to_jsonb(o) AS row;
    ELSE
        INSERT INTO accounts_auditevent
            (clinic_id, table_name, row_id, operation, old, new, actor, at)
        SELECT CASE WHEN is_clinic THEN n.id ELSE (after->>'clinic_id')::bigint END,
               TG_TABLE_NAME, n.id, 'U', changed.old, changed.new, who, clock_timestamp()
        FROM new_rows n
        JOIN old_rows o USING (id),
        LATERAL (SELECT to_jsonb(o) - hidden AS before, to_jsonb(n) - hidden AS after) AS rows,
        LATERAL (
            SELECT jsonb_object_agg(key, before->key) AS old, jsonb_object_agg(key, value) AS new
            FROM jsonb_each(after)
            WHERE before->key IS DISTINCT FROM value
        ) AS changed
        WHERE changed.new IS NOT NULL;
    END IF;
    RETURN NULL;
END
$body$;

CREATE FUNCTION iop_append_only() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    RAISE EXCEPTION 'rows of this table are only ever added'
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
END
$body$;
"""

DROP = "DROP FUNCTION iop_append_only(); DROP FUNCTION iop_audit();"
