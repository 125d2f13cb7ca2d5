"""Trigger functions of this floor, created by its first migration."""

CREATE = """
CREATE FUNCTION patients_is_documented(one_episode bigint) RETURNS boolean
LANGUAGE plpgsql STABLE AS $body$
BEGIN
    RETURN EXISTS (SELECT FROM patients_evaluation WHERE episode_id = one_episode)
       AND EXISTS (SELECT FROM patients_programagreement WHERE episode_id = one_episode)
       AND EXISTS (
           SELECT FROM patients_diagnosis d
           JOIN accounts_license l ON l.id = d.license_id
           WHERE d.episode_id = one_episode AND l.may_diagnose
             AND d.diagnosed_on <= l.expires_on
             AND d.diagnosed_on >= coalesce(l.issued_on, d.diagnosed_on));
END
$body$;

CREATE FUNCTION patients_admission_documented() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF NEW.admitted_on IS NOT NULL AND NOT patients_is_documented(NEW.id) THEN
        RAISE EXCEPTION 'an admitted episode has an evaluation, a diagnosis and an agreement'
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$body$;

CREATE FUNCTION patients_admission_paper_kept() RETURNS trigger LANGUAGE plpgsql AS $body$
-- Locks the episode, so that an admission and the removal of its last document cannot pass
-- each other. It is locked whatever its state: an admission not yet committed is not to be seen.
BEGIN
    PERFORM FROM patients_episode WHERE id = OLD.episode_id FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM patients_episode WHERE id = OLD.episode_id AND admitted_on IS NOT NULL)
       AND NOT patients_is_documented(OLD.episode_id) THEN
        RAISE EXCEPTION 'an admitted episode has an evaluation, a diagnosis and an agreement'
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END
$body$;
"""

DROP = """
DROP FUNCTION patients_admission_paper_kept();
DROP FUNCTION patients_admission_documented();
DROP FUNCTION patients_is_documented(bigint);
"""
