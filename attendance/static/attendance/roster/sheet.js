/* The sheet on which a roster is recorded: reads it, takes marks by key and finger, sends them. */

import { NoAnswer, call } from "./api.js";
import { askFor } from "./ask.js";
import { add } from "./adding.js";
import {
  after, altersWhatWasTold, authorWords, authors, gaveNotice, held, isPartial, merged, sheetOf,
  stored, storedWords, versions,
} from "./lines.js"; // prettier-ignore
import * as marks from "./marks.js";
import { draw, focusFirst, focusPatient, move, patientOf, rowOf } from "./rows.js";
import { Sender } from "./sending.js";
import { sign } from "./signing.js";
import { Clock } from "./times.js";
import { showUnsent } from "./unsent.js";

const OPENS_BEFORE = 30 * 60000; // milliseconds, as the server has it
const CLOCK_AHEAD = 5 * 60000; // as the server has it
const SOON = 500;
const ASKS_AGAIN = 5000;
const LOOKS_AGAIN = 5 * 60000; // each look is noted as a read
const place = document.getElementById("sheet");
const { unit } = place.dataset;
const { zone } = document.body.dataset;
const leads = place.dataset.leads === "yes";
const paper = document.getElementById("paper");
const summary = document.getElementById("summary");
const tools = { all: "all-present", add: "add", sign: "sign" };

let sheet = null;
let clock = null;
let skew = 0;
let said = "";
let closed = false; // nobody who may read it is signed in

const sender = new Sender(show, (of, answer) => of === unit && take(answer));

// --- reading and showing ---------------------------------------------------------------------

async function read() {
  try {
    const answer = await call(unit);
    if (answer.status === 200) take(answer);
    else if (answer.status === 401) sender.state = "signed-out";
    else said = answer.body.detail ?? "The roster cannot be read now.";
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    said = sheet ? said : "No connection. The roster is read as soon as there is one.";
  }
}

function take(answer) {
  const first = sheet === null;
  closed = false;
  if (sender.state === "signed-out") sender.state = "idle"; // signed in again, in another tab
  sheet = sheetOf(answer.body);
  skew = answer.skew;
  said = first ? "" : said;
  const sessions = held(sheet).length ? held(sheet) : sheet.sessions;
  clock = new Clock(zone, sessions[0].starts_at, sessions.at(-1).ends_at);
}

const opensAt = () => clock.starts - OPENS_BEFORE;
const isOpen = () => held(sheet).length > 0 && Date.now() + skew >= opensAt();
const pending = (line) => marks.ofUnit(unit).filter((mark) => mark.patient === line.patient.id);
const now = (line) => after(stored(line), pending(line));
const lineOf = (patient) => sheet.lines.find((line) => line.patient.id === patient);

function show() {
  close();
  showUnsent(sender, unit, new Set(sheet?.lines.map((line) => line.patient.id)));
  if (!sheet) {
    summary.textContent = said || "Reading the roster …";
    return;
  }
  const open = isOpen();
  draw(sheet, pending, clock, open);
  document.getElementById(tools.all).disabled = !open || !sheet.lines.some(canBePresent);
  document.getElementById(tools.add).disabled = !held(sheet).length;
  showSigning(open);
  const sentence = [said, summaryWords(open)].filter(Boolean).join(" ");
  if (summary.textContent !== sentence) summary.textContent = sentence;
}

/** No name stays on a device on which nobody, or somebody else, is signed in. The marks are kept. */
function close() {
  closed ||= ["signed-out", "other-person"].includes(sender.state);
  place.hidden = closed;
  if (closed) document.querySelector("dialog[open]")?.close();
}

function summaryWords(open) {
  if (!held(sheet).length) return "The clinic has cancelled this. Nothing is held against anybody.";
  if (!open) return `It opens at ${clock.say(opensAt())}.`;
  const left = sheet.lines.filter((line) => now(line) === null).length;
  const partly = sheet.lines.filter((line) => isPartial(line) && !pending(line).length).length;
  if (left) return `${sheet.lines.length} expected, ${left} not recorded.`;
  if (partly) return `${partly} not recorded for the rest of the day: “All present” goes on as before.`;
  const signed = held(sheet).every((session) => session.signed);
  if (signed) return "Everybody is recorded. The roster is signed.";
  return leads ? "Everybody is recorded. Next: sign." : "Everybody is recorded.";
}

function showSigning(open) {
  const copied = sheet.lines.filter(authorWords);
  const signed = held(sheet).every((session) => session.signed);
  const button = document.getElementById(tools.sign);
  button.hidden = copied.length > 0 && !leads;
  button.disabled = !open || signed;
  const note = document.getElementById("paper-note");
  note.hidden = !copied.length || signed;
  if (note.hidden) return;
  const by = [...new Set(copied.map(authors))].join(", ");
  const todo = leads
    ? "Read the lines against your sheet, then sign: your signature confirms them."
    : `Confirmed when ${place.dataset.staff || "whoever leads it"} signs.`;
  const number = copied.length === 1 ? "1 line" : `${copied.length} lines`;
  note.textContent = `Entered from paper by ${by}: ${number}. ${todo}`;
}

/** A sentence that is read aloud and stays until the next one. */
function say(sentence) {
  said = sentence;
  show();
}

// --- marks -----------------------------------------------------------------------------------

const source = () => (paper.checked ? "paper" : "roster");

function note(line, facts, reason) {
  const waiting = pending(line);
  const open = waiting.find((mark) => !mark.tried && !mark.refused && !mark.clear);
  const time = { recorded_at: new Date().toISOString(), source: source() };
  if (open) {
    const same = open.facts.attended === facts.attended;
    const both = same ? { ...open.facts, ...facts } : facts;
    marks.put(Object.assign(open, { facts: both, reason: reason || open.reason, ...time }));
  } else {
    make(line, { facts, reason, ...time });
  }
}

/** A new mark; one that `follows` another of the patient builds on what that one leaves. */
function make(line, told) {
  const follows = pending(line).length > 0;
  const patient = line.patient.id;
  return marks.make({ unit, patient, versions: versions(line), follows, ...told });
}

async function tell(line, facts, reason = "") {
  if (!reason && altersWhatWasTold(line, sheet, pending(line), facts)) {
    const why = await askWhy(line);
    if (!why) return;
    reason = why;
  }
  note(line, facts, reason);
  said = `${line.patient.short_name}: marked.`;
  show();
  sender.send();
}

async function askWhy(line) {
  const title = `${line.patient.short_name}: a change`;
  const hint = `It says: ${storedWords(line, clock)}.`;
  const answer = await askFor({ title, hint, check: () => ({}), needsReason: () => false });
  return answer?.reason;
}

const WHAT = {
  present: (line) => plain(line, true),
  absent: (line) => plain(line, false),
  late: (line) => askTime(line, "arrived_at", "arrived", "late", 1, () => clock.starts),
  gone: (line) => askTime(line, "left_at", "left", "before the end", -1, () => clock.ends),
  away: askAway,
  clear: takeBack,
  mine: sendMine,
  theirs: keepTheirs,
};

function plain(line, attended) {
  if (now(line)?.attended === attended && (!isPartial(line) || pending(line).length)) {
    return say(`${line.patient.short_name} is marked so already.`);
  }
  return tell(line, { attended });
}

async function askTime(line, field, verb, words, sign, from) {
  const example = clock.say(from() + sign * 12 * 60000);
  const read = (typed) => {
    const instant = clock.read(typed, { from: from(), sign });
    if (!instant) throw new Error(`Type a time such as ${example}, or minutes such as 12.`);
    return checked(line, { attended: true, [field]: instant });
  };
  const answer = await askFor({
    title: `${line.patient.short_name} ${verb}`,
    time: { label: "Time", value: clock.now(skew) },
    hint: `A time such as ${example}, or minutes ${words} such as 12.`,
    check: read,
    needsReason: (facts) => altersWhatWasTold(line, sheet, pending(line), facts),
  });
  if (answer) await tell(line, answer.facts, answer.reason);
}

/** A button that is not offered cannot be pressed by its key either. */
function press(id) {
  const button = document.getElementById(id);
  if (!button.hidden && !button.disabled) button.click();
}

function checked(line, facts) {
  const { arrived_at, left_at } = merged(now(line), facts);
  const told = facts.arrived_at ?? facts.left_at;
  if (!clock.isNear(told)) {
    const hours = clock.spanWords([clock.starts, clock.ends]);
    throw new Error(`${clock.say(told)} is far from ${hours}. Look again.`);
  }
  if (facts.arrived_at && Date.parse(arrived_at) >= clock.ends) {
    throw new Error(`${clock.say(arrived_at)} is after the end. Look again, or note a no-show.`);
  }
  if (facts.left_at && Date.parse(left_at) <= clock.starts) {
    throw new Error(`${clock.say(left_at)} is before the start. Look again, or note a no-show.`);
  }
  if (arrived_at && left_at && Date.parse(left_at) <= Date.parse(arrived_at)) {
    throw new Error("The departure must be after the arrival.");
  }
  if (facts.arrived_at && Date.parse(arrived_at) > Date.now() + skew + CLOCK_AHEAD) {
    throw new Error("That lies ahead: note an arrival once somebody is there.");
  }
  return facts;
}

async function askAway(line) {
  const answer = await askFor({
    title: `${line.patient.short_name} was away`,
    time: { label: "From" },
    until: { label: "Back at" },
    hint: `Times such as ${clock.say(clock.starts)}.`,
    check: (from, until) => ({ attended: true, away: withSpan(line, from, until) }),
    needsReason: (facts) => altersWhatWasTold(line, sheet, pending(line), facts),
  });
  if (answer) await tell(line, answer.facts, answer.reason);
}

function withSpan(line, from, until) {
  const [start, end] = [clock.read(from), clock.read(until)];
  const example = clock.spanWords([clock.starts + 40 * 60000, clock.starts + 55 * 60000]);
  if (!start || !end) throw new Error(`Type two times such as ${example}.`);
  if (start >= end) throw new Error("The second time must be after the first.");
  if (Date.parse(end) <= clock.starts || Date.parse(start) >= clock.ends) {
    throw new Error(`${clock.spanWords([start, end])} is outside the session. Look again.`);
  }
  const before = now(line)?.attended ? now(line).away : [];
  const instants = (span) => span.map((one) => Date.parse(one));
  const spans = [...before, [start, end]].sort((one, other) => instants(one)[0] - instants(other)[0]);
  const twice = before.find((span) => overlap(instants(span), instants([start, end])));
  if (twice) throw new Error(`Away ${clock.spanWords(twice)} already: choose times outside it.`);
  return spans;
}

const overlap = (one, other) => one[0] < other[1] && other[0] < one[1];

async function takeBack(line) {
  const waiting = pending(line);
  const untried = waiting.filter((mark) => !mark.tried);
  if (untried.length) {
    untried.forEach(marks.drop);
    return say(`${line.patient.short_name}: the mark is taken back.`);
  }
  if (!waiting.length && stored(line) === null) {
    return say(`${line.patient.short_name} is not recorded.`);
  }
  const reason = await askWhy(line);
  if (!reason) return undefined;
  const time = { recorded_at: new Date().toISOString(), source: source() };
  make(line, { facts: {}, clear: true, reason, ...time });
  say(`${line.patient.short_name}: taken back.`);
  return sender.send();
}

async function sendMine(line) {
  const refused = pending(line).find((mark) => mark.refused);
  const changes = stored(line) !== null;
  const reason = refused.reason || (changes ? await askWhy(line) : "");
  if (changes && !reason) return;
  const again = { refused: null, tried: false, reason, versions: versions(line) };
  marks.put(Object.assign(refused, again));
  show();
  sender.send();
}

function keepTheirs(line) {
  pending(line).forEach(marks.drop);
  say(`${line.patient.short_name}: stays as it is stored.`);
}

/** Whom "all present" speaks of: who is not marked, and who is recorded for a part of the day. */
function canBePresent(line) {
  if (pending(line).length) return false;
  if (stored(line) === null) return !gaveNotice(line);
  return isPartial(line) && stored(line).attended !== null;
}

function allPresent() {
  const those = sheet.lines.filter(canBePresent);
  for (const line of those) note(line, { attended: stored(line)?.attended ?? true }, "");
  say(`${those.length} marked.`);
  sender.send();
}

async function addSomebody() {
  if (await add(sheet, clock)) await read();
  show();
}

async function signIt() {
  const waiting = marks.ofUnit(unit).length;
  if (waiting) return say(`${waiting} not sent yet: sign when everything is sent.`);
  const left = sheet.lines.find((line) => stored(line) === null);
  const done = await sign(sheet, clock);
  if (left) focusPatient(left.patient.id);
  if (done === null) return undefined;
  await read();
  return say(done);
}

// --- keys and fingers ------------------------------------------------------------------------

const KEYS = { p: "present", l: "late", g: "gone", a: "away", n: "absent", x: "clear" };
const STEPS = { arrowdown: 1, j: 1, arrowup: -1, k: -1, home: -1000, end: 1000 };

function act(name, row) {
  const line = lineOf(patientOf(row));
  if (!line) return;
  const refused = pending(line).some((mark) => mark.refused);
  if (refused && !["mine", "theirs"].includes(name)) {
    say(`${line.patient.short_name}: answer the question first.`);
  } else if (!isOpen()) {
    say("");
  } else {
    WHAT[name](line);
  }
}

place.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, summary")) return;
  const key = event.key.toLowerCase();
  const row = rowOf(event.target);
  if (row && key in STEPS) move(row, STEPS[key]);
  else if (row && key in KEYS) act(KEYS[key], row);
  else if (row && key === "enter" && event.target === row) row.querySelector("button")?.click();
  else if (key === "s") press(tools.sign);
  else if (key === "+") press(tools.add);
  else return;
  event.preventDefault();
});

document.getElementById("lines").addEventListener("click", (event) => {
  const button = event.target.closest("button[data-do]");
  if (button) act(button.dataset.do, rowOf(button));
});

document.getElementById(tools.all).addEventListener("click", allPresent);
document.getElementById(tools.add).addEventListener("click", addSomebody);
document.getElementById(tools.sign).addEventListener("click", signIt);

async function lookAgain() {
  const asking = document.querySelector("dialog[open]");
  if (document.hidden || asking || sender.busy) return;
  await readAndShow();
}

/** A sheet that could not be read is asked for until it can. */
async function readAndShow() {
  const first = sheet === null;
  await read();
  show();
  if (!sheet) setTimeout(lookAgain, ASKS_AGAIN);
  else if (first && document.activeElement === document.body) focusFirst();
}

await readAndShow();
sender.send();
setInterval(lookAgain, LOOKS_AGAIN);
document.addEventListener("visibilitychange", lookAgain);
window.addEventListener("online", lookAgain);
let soon;
marks.whenChangedElsewhere((gone) => {
  clearTimeout(soon);
  if (gone) soon = setTimeout(lookAgain, SOON);
});
