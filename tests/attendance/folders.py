"""Small hand-written clinics as folders of CSV files, for the tests of the importer."""

# ruff: noqa: E501 - a line of a file stays one line

from __future__ import annotations

from pathlib import Path

GOOD = {
    "clinic": """name,zone,state,phone
Harbor IOP,America/New_York,CT,203-555-0100""",
    "staff": """email,name,role,credentials,license_credential,license_state,license_number,license_expires_on
lead@example.com,Lee Lead,therapist,LCSW,LCSW,CT,C-1,2030-01-31
desk@example.com,Dee Desk,front_desk,,,,,""",
    "rooms": "name,seats\nBlue,14",
    "programs": "name,kind,part2\nDay program,substance_use,yes",
    "payers": "name,phone\nGranite Health,+1 203 555 0101",
    "patients": """record_number,first_name,last_name,birth_date,phone,phone_is_safe
H-1,Ada,Alder,1990-05-01,203-555-0102,yes
H-2,Ben,Birch,1988-02-29,,""",
    "coverages": "record_number,payer,starts_on,member_number\nH-1,Granite Health,2026-01-01,M1",
    "episodes": """record_number,program,referred_on,referral_source,admitted_on,discharged_on,discharge_reason,primary_therapist,evaluated_on,diagnosis,agreement_signed_on,court
H-1,Day program,2026-02-20,Lakeside Hospital,2026-03-02,,,lead@example.com,2026-02-27,F10.20,2026-03-02,Drug Court
H-2,Day program,2026-02-20,,2026-03-02,2026-03-06,completed,,2026-02-27,F10.20,2026-03-02,""",
    "plans": """record_number,starts_on,level,age_bracket,weekly_minutes,days_per_week
H-1,2026-03-02,IOP,adult,540,3
H-2,2026-03-02,IOP,adult,540,3""",
    "authorizations": """record_number,payer,number,unit,units,starts_on,ends_on
H-1,Granite Health,AU-1,day,30,2026-03-01,2026-05-31""",
    "certifications": "record_number,certified_on,due_again_on\nH-1,2026-03-02,2026-05-01",
    "groups": "name,program,capacity,min_size\nHarbor A,Day program,8,5",
    "blocks": """group,record_number,weekday,starts,ends,breaks,session_type,facilitator,room,valid_from
Harbor A,,monday,09:00,10:00,50-60,Group therapy,lead@example.com,Blue,2026-03-02
,H-1,tuesday,13:00,13:50,,Individual,lead@example.com,,2026-03-02""",
    "memberships": """group,record_number,starts_on,ends_on
Harbor A,H-1,2026-03-02,
Harbor A,H-2,2026-03-02,""",
    "closures": "starts_on,ends_on,reason\n2026-03-09,2026-03-09,Snow day",
    "time_off": """therapist,starts,ends,reason
lead@example.com,2026-03-17 08:00,2026-03-17 18:00,Leave""",
    "attendance": """record_number,date,start,attended,arrived,left,notified,reason
H-1,2026-03-02,09:00,yes,09:20,,,
H-2,2026-03-02,09:00,no,,,2026-03-02 07:30,illness
H-1,2026-03-03,13:00,yes,,,,""",
}
"""Two patients, one of whom left; one group on Mondays and one individual session on Tuesdays."""


def write(folder: Path, **files: str) -> Path:
    """The good clinic as files, with some of them replaced; an empty text leaves a file out."""
    for name, text in {**GOOD, **files}.items():
        if text:
            (folder / f"{name}.csv").write_text(text + "\n", encoding="utf-8")
    return folder


def with_line(table: str, *lines: str) -> str:
    """The good file with more lines; its first added line is numbered `first_added`."""
    return "\n".join([GOOD[table], *lines])


def first_added(table: str) -> int:
    return len(GOOD[table].splitlines()) + 1
