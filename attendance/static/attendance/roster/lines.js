/*
 * The roster as the API tells it, one line a patient, with the marks of this device laid over it.
 * No minutes are reckoned here: what a day adds up to is the server's answer.
 */

/** `{sessions, lines}` of the answer of a group's day, or of a single session. */
export function sheetOf(body) {
  const sessions = body.sessions ?? [{ ...body, signed: body.signed_at !== null }];
  const lines = body.roster.map((row) => ({
    patient: row.patient,
    week: row.week,
    uniform: row.uniform ?? true,
    bookings: row.bookings ?? [{ ...row, session: body.id }],
  }));
  return { sessions, lines };
}

export const held = (sheet) => sheet.sessions.filter((one) => one.state !== "cancelled");

const recorded = (line) => line.bookings.filter((booking) => booking.version !== null);

export const versions = (line) =>
  Object.fromEntries(line.bookings.map((booking) => [booking.booking, booking.version]));

/** What is stored of the line: null while nothing is, `attended` null where records differ. */
export function stored(line) {
  const records = recorded(line);
  if (!records.length) return null;
  const came = new Set(records.map((record) => record.status === "present"));
  const { arrived_at, left_at, away } = records.at(-1);
  return { attended: came.size === 1 ? [...came][0] : null, arrived_at, left_at, away };
}

/** The facts after some marks, in their order; null: unrecorded. */
export function after(facts, marks) {
  return marks.reduce((before, mark) => (mark.clear ? null : merged(before, mark.facts)), facts);
}

/** Facts with a change; with the other answer to "attended" nothing of the old ones stays. */
export function merged(facts, change) {
  const same = facts && facts.attended === change.attended;
  return { arrived_at: null, left_at: null, away: [], ...(same ? facts : {}), ...change };
}

export const isPartial = (line) => {
  const number = recorded(line).length;
  return number > 0 && number < line.bookings.length;
};

export const gaveNotice = (line) => line.bookings.every((one) => one.booking_state === "released");

/** Whether a change alters what was told before, so that somebody must say why. */
export function altersWhatWasTold(line, sheet, marks, facts) {
  const told = after(stored(line), marks.filter((mark) => mark.tried));
  const signed = new Set(sheet.sessions.filter((one) => one.signed).map((one) => one.id));
  if (line.bookings.some((booking) => signed.has(booking.session))) return true;
  if (told === null) return false;
  if (facts.attended !== told.attended) return true;
  return ["arrived_at", "left_at", "away"].some(
    (name) => name in facts && isTold(told[name]) && !sameTime(facts[name], told[name]),
  );
}

const isTold = (value) => (Array.isArray(value) ? value.length > 0 : Boolean(value));

function sameTime(one, other) {
  const instants = (value) => JSON.stringify([value].flat(2).map((at) => at && Date.parse(at)));
  return instants(one) === instants(other);
}

// --- in words --------------------------------------------------------------------------------

const ABSENT = {
  absent_excused: "Absent, excused",
  absent_pending: "Absent, proof pending",
  no_show: "No-show",
  late_cancel: "Absent, late notice",
};

/** "Present, late 6:12 PM, left 8:45 PM": as it is stored, without unsent marks. */
export function storedWords(line, clock) {
  const facts = stored(line);
  if (facts === null) return noticeWords(line, clock) || "Not recorded";
  if (facts.attended === null) return "Recorded differently in the sessions";
  if (!facts.attended) return ABSENT[recorded(line)[0].status];
  return factWords(facts, clock, recorded(line).some((record) => record.late));
}

/** The same of facts that only this device knows; whether they are late the server will say. */
export function factWords(facts, clock, late = true) {
  if (!facts.attended) return "Absent";
  const words = ["Present"];
  if (facts.arrived_at) words.push(`${late ? "late" : "came"} ${clock.say(facts.arrived_at)}`);
  if (facts.left_at) words.push(`left ${clock.say(facts.left_at)}`);
  for (const span of facts.away) words.push(`away ${clock.spanWords(span)}`);
  return words.join(", ");
}

function noticeWords(line, clock) {
  const told = line.bookings.find((booking) => booking.notified_at);
  if (!told) return gaveNotice(line) ? "Gave notice" : "";
  const why = told.absence_reason ? `: ${told.absence_reason}` : "";
  return `Gave notice ${clock.say(told.notified_at)}${why}`;
}

/** "with Dr. Grey 10:00 AM – 10:30 AM": where the patient is out of a session for a visit. */
export function visitWords(line, clock) {
  const visits = line.bookings.flatMap((booking) => booking.visits);
  const said = ({ therapist, starts_at, ends_at }) =>
    `${therapist ? `with ${therapist}` : "visit"} ${clock.spanWords([starts_at, ends_at])}`;
  return visits.map(said).join(", ");
}

/** "2 of 3 sessions" while later ones are not recorded. */
export function partWords(line) {
  return isPartial(line) ? `${recorded(line).length} of ${line.bookings.length} sessions` : "";
}

/** "145 of 180: 35 more today keeps the day", in the server's figures. */
export function minutesWords(line, clock) {
  const { week } = line;
  const facts = stored(line);
  if (!week || !week.day_threshold || !facts || facts.attended === false) return "";
  const reach = `${week.day_at_most} of ${week.day_threshold}`;
  if (week.day_to_go > 0) {
    const lacks = clock.isOver ? "short of a day" : "more today keeps the day";
    return `${reach}: ${week.day_to_go} ${lacks}`;
  }
  if (week.day_counts) return `${reach}: the day counts`;
  if (clock.isOver && isPartial(line)) return `${reach}: open until the rest is recorded`;
  return `${reach}: ${clock.isOver ? "not a qualifying day" : "on course"}`;
}

export function isShort(line, clock) {
  return minutesWords(line, clock) !== "" && line.week.day_to_go > 0;
}

/** "from paper, Cora" */
export function authorWords(line) {
  const records = recorded(line);
  const paper = records.find((record) => record.source === "paper");
  return paper ? `from paper, ${paper.recorded_by}` : "";
}

export const authors = (line) =>
  [...new Set(recorded(line).map((record) => record.recorded_by))].filter(Boolean).join(", ");
