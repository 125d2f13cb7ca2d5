/* Adding a patient to the roster: found by name, booked in the chosen sessions, at once. */

import { NoAnswer, call, newKey } from "./api.js";
import { opened } from "./ask.js";
import { held } from "./lines.js";

const dialog = document.getElementById("adding");
const query = document.getElementById("adding-q");
const found = document.getElementById("adding-found");
const said = document.getElementById("adding-said");
const overflow = document.getElementById("adding-overflow");
const PAUSE = 250; // milliseconds after the last key

/** True when somebody was added. */
export async function add(sheet, clock) {
  let added = false;
  const keys = new Map();
  offerSessions(held(sheet), clock);
  overflow.hidden = true;
  query.value = said.textContent = document.getElementById("adding-reason").value = "";
  found.replaceChildren();
  let timer;
  query.oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(() => search(choose), PAUSE);
  };

  async function choose(patient) {
    for (const box of chosen()) {
      const key = keyOf(keys, `${box.value} ${patient.id}`);
      const answer = await tried(`/api/v1/sessions/${box.value}/roster/`, body(patient), key);
      if (answer.status !== 201) return explain(answer);
      added = true;
    }
    said.textContent = `${patient.name} was added.`;
    found.replaceChildren();
    query.select();
  }

  await opened(dialog, () => {
    clearTimeout(timer);
    search(choose); // Enter searches at once
  });
  return added;
}

function keyOf(keys, name) {
  if (!keys.has(name)) keys.set(name, newKey());
  return keys.get(name);
}

function body(patient) {
  const reason = document.getElementById("adding-reason").value.trim();
  return { patient: patient.id, ...(reason && { overflow_reason: reason }) };
}

const boxes = () => [...document.querySelectorAll("#adding-sessions input")];
const chosen = () => boxes().filter((box) => box.checked);

function offerSessions(sessions, clock) {
  const set = document.getElementById("adding-sessions");
  set.hidden = sessions.length < 2;
  const choices = sessions.map((session) => {
    const box = Object.assign(document.createElement("input"), {
      type: "checkbox", value: session.id, checked: true,
    }); // prettier-ignore
    const label = document.createElement("label");
    label.className = "check";
    label.append(box, ` ${clock.say(session.starts_at)}, ${session.room ?? session.title}`);
    return label;
  });
  set.replaceChildren(set.querySelector("legend"), ...choices);
}

async function search(choose) {
  const text = query.value.trim();
  const [session] = chosen();
  if (!text || !session) return found.replaceChildren();
  const answer = await tried(`/api/v1/sessions/${session.value}/candidates/`, { q: text });
  if (answer.status !== 200) return explain(answer);
  if (query.value.trim() !== text) return undefined; // typed on in the meantime
  const people = answer.body.results;
  said.textContent = people.length ? `${people.length} found.` : "Nobody of this name in treatment.";
  return found.replaceChildren(...people.map((patient) => row(patient, choose)));
}

function row(patient, choose) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = `Add ${patient.name}${patient.mark && ` (${patient.mark})`}`;
  button.addEventListener("click", () => choose(patient));
  item.append(button);
  return item;
}

async function tried(path, send, key) {
  try {
    const headers = key ? { "Idempotency-Key": key } : {};
    return await call(path, { method: "POST", send, headers });
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return { status: 0, body: { detail: "No connection. Adding somebody needs one." } };
  }
}

function explain(answer) {
  const out = [401, 403].includes(answer.status) ? "Sign in again, then add." : "";
  said.textContent = out || answer.body.detail || "That did not work.";
  if (answer.body.code === "session_full") {
    overflow.hidden = false;
    document.getElementById("adding-reason").focus();
  }
}
