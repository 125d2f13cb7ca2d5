import json, random, uuid
import pytest
from tests import factories
from tests.api import *
from tests.attendance.nights import case
pytestmark = pytest.mark.django_db

WEIRD = [None, True, 0, -1, 2**40, 1.5, "", " ", "x"*5000, "\u202e", "2026-03-02", "2026-03-02T09:00:00-05:00", "2026-03-02T09:00:00", "0001-01-01T00:00:00+14:00","9999-12-31T23:59:59-14:00", "2026-03-02T09:00:00+23:59", "2000-01-01T00:00:00+14:00", [], [[]], {}, {"a": 1}, ["2026-03-02T09:00:00-05:00"]*2, [["2026-03-02T09:00:00-05:00","2026-03-02T09:10:00-05:00"]], [["2026-03-02T09:10:00-05:00","2026-03-02T09:00:00-05:00"]], str(uuid.uuid4()), "2026-W10-1T09:00:00Z", "20260302T090000Z", "2026-03-02T24:00:00Z", "2026-03-02T09:00:60Z"]

def test_fuzz(time_machine):
    time_machine.move_to(AFTER, tick=False)
    r = roster(3)
    boss = factories.staff(r.clinic)
    flag = case(r.clinic, episode=r.bookings[0].episode)
    c = client_of(boss); c.raise_request_exception = False
    b = str(r.bookings[0].public_id); p = r.bookings[0].patient.public_id
    ends = {
      ("patch", f"{r.url}attendance/"): ["all_present","records","mode"],
      ("patch", f"{API}/bookings/{b}/attendance/"): ["attended","arrived_at","left_at","away","notified_at","absence_reason","proof","excused_override","correction_reason","recorded_at"],
      ("delete", f"{API}/bookings/{b}/attendance/"): ["correction_reason"],
      ("post", f"{r.url}candidates/"): ["q"],
      ("post", f"{r.url}roster/"): ["patient","overflow_reason"],
      ("post", f"{r.url}sign/"): ["x"],
      ("post", f"{API}/patients/search/"): ["q","clinic"],
      ("post", f"{API}/flags/{flag.public_id}/assign/"): ["owner"],
      ("post", f"{API}/flags/{flag.public_id}/outreach/"): ["method","result","note","next_step","attempted_at"],
      ("post", f"{API}/flags/{flag.public_id}/snooze/"): ["until","reason"],
      ("post", f"{API}/flags/{flag.public_id}/resolve/"): ["outcome","note"],
      ("post", f"{API}/flags/{flag.public_id}/acknowledge/"): ["x"],
      ("post", f"{API}/auth/token/"): ["username","password","otp","device"],
    }
    rec = ["booking","attended","arrived_at","left_at","away","notified_at","absence_reason","proof","excused_override","correction_reason","recorded_at","version"]
    good = {"attended":[True,False],"booking":[b]*5,"method":["call"],"result":["reached"],"outcome":["reached"],"until":["2026-03-20"],"reason":["x"],"mode":["all","partial"],"owner":[str(boss.public_id)],"absence_reason":["illness"],"proof":["pending"],"excused_override":[True,False,None],"correction_reason":["why"],"version":[1,2],"arrived_at":["2026-03-02T09:05:00-05:00"],"left_at":["2026-03-02T09:50:00-05:00"], "patient":[str(p)], "q":["Fi"], "password":["a"],"username":["a@b.c"]}
    R = random.Random(3)
    def val(k): 
        if R.random() < .65 and k in good: return R.choice(good[k])
        return R.choice(WEIRD)
    bad = []
    seen = {}
    for n in range(3000):
        (m, url), fields = R.choice(list(ends.items()))
        body = {k: val(k) for k in fields if R.random() < .75}
        if "records" in fields and R.random() < .8:
            body["records"] = [{k: val(k) for k in rec if R.random() < .5 or k in ("booking","attended")} for _ in range(R.randrange(0,3))]
        hdr = {}
        if R.random() < .7: hdr["HTTP_IF_MATCH"] = R.choice(['"0"','"1"','"2"','W/"3"','*','"x"','"999999999"'])
        if R.random() < .3: hdr["HTTP_IDEMPOTENCY_KEY"] = R.choice(["a","b"*200,"c"*201," ", "é"])
        a = getattr(c, m)(url, body, format="json", **hdr)
        seen[m, url[-14:], a.status_code] = seen.get((m, url[-14:], a.status_code), 0) + 1
        if a.status_code >= 500 and a.status_code != 503: bad.append((m, url, body, hdr, a.content[:200]))
        if a.status_code == 503: bad.append(("503", m, url, body, a.content[:200]))
    urls = [f"{API}/sessions/", f"{API}/patients/", f"{API}/flags/", f"{API}/groups/", f"{API}/patients/{p}/weeks/", f"{API}/auth/tokens/", f"{API}/sessions/{r.session.public_id}/", f"{API}/me/"]
    q = ["from","to","mine","state","group","clinic","page","page_size","rule","owner","severity","x"]
    W = ["", "1","0","-1","201","99999999999999999999","%00","a","true","2026-03-02","2000-01-01","2027-01-01","9999-01-01","unrecorded","recorded","open","hours","urgent",str(uuid.uuid4()), str(r.clinic.public_id), str(boss.public_id),"1e5","１"]
    for n in range(1500):
        url = R.choice(urls); qs = "&".join(f"{k}={R.choice(W)}" for k in R.sample(q, R.randrange(0,4)))
        a = c.get(f"{url}?{qs}")
        seen["get", url[-10:], a.status_code] = seen.get(("get", url[-10:], a.status_code), 0) + 1
        if a.status_code >= 500: bad.append((url, qs, a.content[:200]))
    for k, v in sorted(seen.items(), key=str): print(k, v)
    for x in bad[:12]: print(x)
    assert not bad
