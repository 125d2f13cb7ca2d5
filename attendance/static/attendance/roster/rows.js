/* The lines on the screen. Only one of them is a stop of the Tab key; arrows lead to the others. */

import {
  after, authorWords, authors, factWords, gaveNotice, isShort, minutesWords, partWords, stored,
  storedWords, visitWords,
} from "./lines.js"; // prettier-ignore

const list = document.getElementById("lines");
const drawn = new WeakMap(); // what each line was drawn from

const BUTTONS = {
  present: ["Present", "P"],
  late: ["Late …", "L"],
  gone: ["Left …", "G"],
  away: ["Away …", "A"],
  absent: ["No-show", "N"],
  clear: ["Undo", "X"],
};

/** Which buttons stand on a line, by what it says now; the keys work on every line. */
function offered(facts) {
  if (facts === null) return ["present", "late", "absent"];
  if (facts.attended === null) return ["present", "absent", "clear"];
  return facts.attended ? ["late", "gone", "away", "clear"] : ["present", "clear"];
}

export function make(tag, text = "", className = "") {
  const node = document.createElement(tag);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

/** Draws every line anew where it has changed, and keeps the focus where it is. */
export function draw(sheet, marksOf, clock, enabled) {
  const known = new Map([...list.children].map((item) => [item.dataset.patient, item]));
  const items = sheet.lines.map((line) => known.get(line.patient.id) ?? emptyItem(line));
  if (items.length !== list.children.length || items.some((item, n) => list.children[n] !== item)) {
    list.replaceChildren(...items);
  }
  sheet.lines.forEach((line, n) => fill(items[n], line, marksOf(line), clock, enabled));
  if (items.length && !list.querySelector("[tabindex='0']")) onlyStop(items[0].firstElementChild);
}

function emptyItem(line) {
  const item = document.createElement("li");
  item.dataset.patient = line.patient.id;
  const row = make("div", "", "line");
  row.setAttribute("role", "group");
  row.tabIndex = -1;
  row.addEventListener("focusin", () => onlyStop(row));
  item.append(row);
  return item;
}

/** The line that has the focus and its buttons are stops, all others are skipped. */
function onlyStop(row) {
  if (row.tabIndex === 0) return;
  for (const other of list.querySelectorAll("[tabindex='0']")) other.tabIndex = -1;
  for (const stop of [row, ...row.querySelectorAll("button")]) stop.tabIndex = 0;
}

function fill(item, line, marks, clock, enabled) {
  const row = item.firstElementChild;
  const facts = after(stored(line), marks);
  const state = JSON.stringify([line, marks, enabled]);
  if (drawn.get(row) === state) return;
  drawn.set(row, state);
  const focused = row.contains(document.activeElement) && document.activeElement !== row;
  const doing = focused ? document.activeElement.dataset.do : null;
  row.classList.toggle("marked", facts !== null);
  row.classList.toggle("unsure", marks.length > 0);
  row.replaceChildren(head(line, row, clock), words(line, marks, facts, clock));
  const refused = marks.find((mark) => mark.refused);
  row.append(refused ? question(line, refused, clock) : buttons(facts, line, enabled));
  for (const button of row.querySelectorAll("button")) button.tabIndex = row.tabIndex;
  if (focused) (row.querySelector(`[data-do="${doing}"]`) ?? row).focus();
}

function head(line, row, clock) {
  const name = make("h2", line.patient.short_name, "name");
  name.id = `name-${line.patient.id}`;
  row.setAttribute("aria-labelledby", name.id);
  row.setAttribute("aria-describedby", `visit-${line.patient.id} state-${line.patient.id}`);
  const place = make("p", "", "who");
  const seat = line.bookings[0];
  place.append(make("span", gaveNotice(line) ? "seat free" : `Seat ${seat.seat}`, "quiet"));
  const out = make("p", visitWords(line, clock), "visit");
  out.id = `visit-${line.patient.id}`;
  const box = make("div", "", "head");
  box.append(name, place, ...(out.textContent ? [out] : []));
  return box;
}

function words(line, marks, facts, clock) {
  const state = make("p", stateWords(line, marks, facts, clock), "state");
  state.id = `state-${line.patient.id}`;
  const box = make("div", "", "said");
  box.append(state);
  if (marks.some((mark) => !mark.refused)) box.append(make("p", "Not sent yet", "pending"));
  const minutes = marks.length ? "" : minutesWords(line, clock);
  if (minutes) box.append(make("p", minutes, isShort(line, clock) ? "minutes short" : "minutes"));
  return box;
}

function stateWords(line, marks, facts, clock) {
  const refused = marks.find((mark) => mark.refused);
  if (refused) return isStale(refused) ? "Two versions: choose one." : "Not taken.";
  if (marks.length) return facts === null ? "Not recorded" : factWords(facts, clock);
  const said = [storedWords(line, clock), partWords(line), authorWords(line)];
  return said.filter(Boolean).join(" · ");
}

function buttons(facts, line, enabled) {
  const box = make("div", "", "keys");
  for (const name of offered(facts)) {
    const [words, key] = BUTTONS[name];
    const absent = name === "absent" && line.bookings.some((one) => one.notified_at);
    const button = make("button", `${absent ? "Absent" : words} `);
    button.type = "button";
    button.dataset.do = name;
    button.disabled = !enabled;
    if (name !== "present") button.className = "second";
    const hint = make("kbd", key);
    hint.setAttribute("aria-hidden", "true");
    button.append(hint);
    box.append(button);
  }
  return box;
}

const isStale = (mark) => mark.refused.code === "stale_version";

/** Both versions of a line that the server refused, for a person to choose. */
function question(line, mark, clock) {
  const box = make("div", "", "conflict");
  box.setAttribute("role", "group");
  const name = line.patient.short_name;
  const mine = mark.clear ? "not recorded" : factWords(after(stored(line), [mark]), clock);
  const [keep, send] = isStale(mark)
    ? ["Keep what is stored", "Send mine"]
    : ["Drop mine", "Send again"];
  const by = authors(line) || "somebody";
  const why = isStale(mark) ? `${name} was changed meanwhile by ${by}.` : mark.refused.message;
  box.append(make("p", why), make("p", `Stored: ${storedWords(line, clock)}. Yours: ${mine}.`));
  const keys = make("div", "", "keys");
  keys.append(answer(keep, "theirs"), answer(send, "mine"));
  box.append(keys);
  return box;
}

function answer(words, name) {
  const button = make("button", words, name === "mine" ? "" : "second");
  button.type = "button";
  button.dataset.do = name;
  return button;
}

// --- moving ----------------------------------------------------------------------------------

export const rowOf = (node) => node?.closest?.(".line");

export const patientOf = (row) => row?.parentElement.dataset.patient;

export function focusFirst() {
  list.querySelector(".line")?.focus({ preventScroll: true });
}

export function focusPatient(id) {
  list.querySelector(`[data-patient="${id}"] > .line`)?.focus();
}

/** To the line `step` lines on, or as far as there are lines. */
export function move(row, step) {
  const rows = [...list.querySelectorAll(".line")];
  const wanted = rows.indexOf(row) + step;
  rows[Math.min(Math.max(wanted, 0), rows.length - 1)]?.focus();
}
