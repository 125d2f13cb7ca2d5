/*
 * What was told on this device and not yet confirmed by the server. It outlives the tab.
 *
 * Each mark is an entry of its own, so that two tabs never write over each other's, under the id of
 * whoever made it. A mark holds ids, times and fixed words: never a name, never free text.
 *
 *   {id, unit, patient, facts, versions, reason, source, recorded_at, clear, tried, follows,
 *    refused}
 *
 * `unit` is the roster's address in the API; `versions` those that the person saw, by booking;
 * `tried`: it may have arrived, so it is sent again as it was; `follows`: it was made while another of
 * the patient was under way; `refused`: why a person must decide.
 */

import { newKey, user } from "./api.js";

const PREFIX = "iop-roster:";
const OWN = `${PREFIX}${user}:`;
const unkept = new Map(); // where the browser stores nothing

/** Whether marks outlive the tab. */
export function kept() {
  return unkept.size === 0;
}

/** This person's marks of every roster, oldest first. */
export function all() {
  return entries()
    .filter(([key]) => key.startsWith(OWN))
    .map(([, value]) => value)
    .sort((one, other) => (one.id < other.id ? -1 : 1));
}

export function ofUnit(unit) {
  return all().filter((mark) => mark.unit === unit);
}

/** How many marks of other people wait on this device. */
export function ofOthers() {
  return entries().filter(([key]) => !key.startsWith(OWN)).length;
}

export function make(facts) {
  const id = `${String(Date.now()).padStart(15, "0")}-${nextNumber()}-${newKey()}`;
  return put({ id, tried: false, refused: null, clear: false, reason: "", ...facts });
}

export function put(mark) {
  try {
    localStorage.setItem(OWN + mark.id, JSON.stringify(mark));
    unkept.delete(OWN + mark.id);
  } catch {
    unkept.set(OWN + mark.id, structuredClone(mark));
  }
  return mark;
}

export function drop(mark) {
  unkept.delete(OWN + mark.id);
  try {
    localStorage.removeItem(OWN + mark.id);
  } catch {
    // A browser that stores nothing has nothing to remove.
  }
}

/** Calls `react(gone)` when another tab has noted something, or sent it: then it is `gone`. */
export function whenChangedElsewhere(react) {
  window.addEventListener("storage", (event) => {
    if (event.key === null || event.key.startsWith(PREFIX)) react(event.newValue === null);
  });
}

function entries() {
  return [...stored(), ...structuredClone([...unkept])];
}

function stored() {
  try {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
    return keys.map((key) => [key, parsed(localStorage.getItem(key))]).filter(([, mark]) => mark);
  } catch {
    return [];
  }
}

/** Null for what is no mark, and for one that another tab has just sent. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

let number = 0;

function nextNumber() {
  number += 1;
  return String(number).padStart(6, "0");
}
