/*
 * Sends the marks of this person, oldest first, whenever the server can be reached.
 *
 * A mark goes once it is confirmed. One that may have arrived is sent again as it was: the server
 * takes a line that says what is stored already for no change. What it refuses waits for a person.
 */

import { NoAnswer, call, user } from "./api.js";
import * as marks from "./marks.js";

const SHORTEST = 2; // seconds
const LONGEST = 30;
const RELOADED = "iop-roster-reloaded";

/** Nothing more can be sent for now. */
class Stopped extends Error {
  constructor(state, wait = 0) {
    super(state);
    this.state = state;
    this.wait = wait;
  }
}

export class Sender {
  /**
   * `react()` is called when something about the marks has changed, `fresh(unit, answer)` with each
   * roster as it stands after its marks were sent.
   */
  constructor(react, fresh = () => {}) {
    this.react = react;
    this.fresh = fresh;
    this.state = "idle";
    this.failures = 0;
    window.addEventListener("online", () => this.send());
    document.addEventListener("visibilitychange", () => document.hidden || this.send());
    marks.whenChangedElsewhere(() => this.react());
  }

  async send() {
    if (this.busy) {
      this.again = true;
      return;
    }
    this.busy = true;
    clearTimeout(this.timer);
    try {
      await alone(() => this.#everything());
    } finally {
      this.busy = false;
      this.react();
    }
    if (this.again) {
      this.again = false;
      await this.send();
    }
  }

  async #everything() {
    try {
      for (let batch = next(); batch.length; batch = next()) {
        this.state = "sending";
        await this.#round(batch);
        this.failures = 0;
      }
      this.state = "idle";
    } catch (error) {
      this.#pause(error);
    }
  }

  /** The roster is read again before its marks go, so that no line ever shows less than was told. */
  async #round(batch) {
    if (!navigator.onLine) throw new NoAnswer(); // untried: what nobody sent can still be changed
    const { unit } = batch[0];
    for (const mark of batch) marks.put(Object.assign(mark, { tried: true }));
    const refused = await (batch[0].clear ? takeBack(batch[0]) : tell(batch));
    const answer = await call(unit);
    for (const mark of batch) settle(mark, refused.get(mark));
    if (answer.status === 200) {
      buildOn(unit, answer.body);
      this.fresh(unit, answer);
    }
    this.react();
  }

  #pause(error) {
    const stopped = error instanceof NoAnswer ? new Stopped("offline") : error;
    if (!(stopped instanceof Stopped)) throw stopped;
    this.state = stopped.state;
    if (stopped.state === "signed-out" || stopped.state === "other-person") return;
    const wait = stopped.wait || Math.min(LONGEST, SHORTEST * 2 ** this.failures);
    this.failures += 1;
    this.timer = setTimeout(() => this.send(), wait * 1000);
  }
}

/** Only one tab sends at a time, where the browser can tell. */
async function alone(work) {
  if (!navigator.locks) return work();
  return navigator.locks.request(`iop-roster-${user}`, work);
}

/** The marks to send next: of one roster and source, the first of each patient. */
function next() {
  const seen = new Set();
  const ready = marks.all().filter((mark) => {
    const line = `${mark.unit} ${mark.patient}`;
    const first = !seen.has(line);
    seen.add(line);
    return first && !mark.refused;
  });
  const [one] = ready;
  if (!one) return [];
  if (one.clear) return [one];
  return ready.filter((m) => m.unit === one.unit && m.source === one.source && !m.clear);
}

/** Sends the lines of one roster; the refused among them with the reason. */
async function tell(batch) {
  const { unit, source } = batch[0];
  const single = unit.includes("/sessions/");
  const answer = await call(single ? `${unit}attendance/` : unit, {
    method: "PATCH",
    send: { mode: "partial", source, records: batch.map(single ? entry : line) },
  });
  if (answer.status !== 200) return allRefused(batch, answer);
  return new Map(answer.body.conflicts.map((conflict) => [batch[conflict.index], conflict]));
}

function line(mark) {
  return { patient: mark.patient, versions: mark.versions, ...told(mark) };
}

function entry(mark) {
  const [[booking, version]] = Object.entries(mark.versions);
  return { booking, version, ...told(mark) };
}

function told(mark) {
  const reason = mark.reason ? { correction_reason: mark.reason } : {};
  return { ...mark.facts, ...reason, recorded_at: mark.recorded_at };
}

/** A record that is gone already is no reason to ask. */
async function takeBack(mark) {
  for (const [booking, version] of Object.entries(mark.versions)) {
    if (version === null) continue;
    const answer = await call(`/api/v1/bookings/${booking}/attendance/`, {
      method: "DELETE",
      headers: { "If-Match": `"${version}"` },
      send: { correction_reason: mark.reason },
    });
    if (answer.status !== 204) return allRefused([mark], answer);
  }
  return new Map();
}

function settle(mark, refused) {
  if (!refused) return marks.drop(mark);
  const { code, message } = refused;
  return marks.put(Object.assign(mark, { tried: false, refused: { code, message } }));
}

/** Marks of a roster that were made in the meantime build on what is stored now. */
function buildOn(unit, body) {
  for (const mark of marks.ofUnit(unit)) {
    const bookings = body.roster
      .filter((row) => row.patient.id === mark.patient)
      .flatMap((row) => row.bookings ?? [row]);
    if (mark.tried || mark.refused || !mark.follows || !bookings.length) continue;
    const versions = Object.fromEntries(bookings.map((one) => [one.booking, one.version]));
    marks.put(Object.assign(mark, { versions, follows: false }));
  }
}

async function allRefused(batch, answer) {
  if (![400, 404, 409, 412, 422].includes(answer.status)) {
    const why = await stopped(answer);
    if (why) throw why;
  }
  const gone = "This roster or line is not yours to write any more.";
  const message = answer.status === 404 ? gone : answer.body.detail || "The server refused it.";
  return new Map(batch.map((mark) => [mark, { code: answer.body.code ?? "refused", message }]));
}

/** Why nothing can be sent for now, or null where the answer speaks of these marks alone. */
async function stopped(answer) {
  if (answer.status === 401) return new Stopped("signed-out");
  if (answer.status === 403) return whoIsIt(answer);
  return new Stopped("waiting", answer.wait);
}

async function whoIsIt(answer) {
  const me = await call("/api/v1/me/");
  if (me.status === 401) return new Stopped("signed-out");
  if (me.status !== 200) return new Stopped("waiting", me.wait);
  if (me.body.id !== user) return new Stopped("other-person");
  if (!String(answer.body.detail).startsWith("CSRF") || sessionStorage.getItem(RELOADED)) {
    return null;
  }
  // The same person signed in anew in another tab: this page needs a token of that sign-in.
  sessionStorage.setItem(RELOADED, "yes");
  location.reload();
  return new Stopped("sending");
}

setTimeout(() => sessionStorage.removeItem(RELOADED), 5000);
