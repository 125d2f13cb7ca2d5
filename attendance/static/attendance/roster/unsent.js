/* Says how many marks wait on this device, and what to do about it. */

import * as marks from "./marks.js";

/** `shown`: the patients whose lines ask about their marks themselves, on the sheet of `unit`. */
export function showUnsent(sender, unit = "", shown = new Set()) {
  const waiting = marks.all();
  const sending = document.getElementById("sending");
  const said = sentence(sender.state, waiting);
  if (sending.textContent !== said) sending.textContent = said;
  sending.dataset.count = waiting.length;
  document.getElementById("unsent").classList.toggle("waiting", waiting.length > 0);
  const another = sender.state === "other-person";
  document.getElementById("sign-in").hidden = sender.state !== "signed-out";
  document.getElementById("change-over").hidden = !another && marks.ofOthers() === 0;
  showStrangers(marks.ofOthers());
  const elsewhere = (mark) => mark.unit !== unit || !shown.has(mark.patient);
  showRefused(waiting.filter((mark) => mark.refused && elsewhere(mark)), unit, sender);
}

/** Marks that need an answer and have no line here; nobody's name is known of them. */
function showRefused(refused, unit, sender) {
  const list = document.getElementById("refused");
  const state = JSON.stringify(refused.map((mark) => mark.id));
  if (list.dataset.marks === state) return;
  list.dataset.marks = state;
  list.replaceChildren(...refused.map((mark) => item(mark, unit, sender)));
}

function item(mark, unit, sender) {
  const at = new Date(mark.recorded_at).toLocaleString("en-US", {
    weekday: "short", month: "short", day: "numeric", hour: "numeric", minute: "2-digit",
    timeZone: document.body.dataset.zone,
  }); // prettier-ignore
  const node = document.createElement("li");
  node.append(`A mark made ${at} was not taken: ${mark.refused.message} `);
  if (mark.unit !== unit) node.append(link(mark), " ");
  const drop = document.createElement("button");
  drop.type = "button";
  drop.className = "second";
  drop.textContent = "Drop it";
  drop.addEventListener("click", () => {
    marks.drop(mark);
    sender.react();
  });
  node.append(drop);
  return node;
}

function link(mark) {
  const to = document.createElement("a");
  to.href = mark.unit.replace("/api/v1/group-days/", "/roster/groups/").replace("/api/v1/", "/roster/");
  to.textContent = "Open its roster";
  return to;
}

function sentence(state, waiting) {
  const count = counted(waiting.length);
  if (state === "other-person") {
    const other = "Somebody else is signed in on this device.";
    const next = "Change over and sign in to go on.";
    return waiting.length ? `${other} Your ${count} safe here. ${next}` : `${other} ${next}`;
  }
  if (state === "signed-out") {
    return waiting.length ? `Sign in again; your ${count} kept.` : "Sign in again to go on.";
  }
  if (!waiting.length) return "Everything is sent.";
  const refused = waiting.filter((mark) => mark.refused).length;
  const left = `${waiting.length} not sent yet`;
  const keep = marks.kept() ? "" : " This browser keeps nothing: leave the page open.";
  if (refused) return `${left}: ${refused} ${refused === 1 ? "needs" : "need"} your answer.${keep}`;
  if (state === "offline") return `${left}: no connection. They are kept and sent later.${keep}`;
  return `${left}.${keep}`;
}

function counted(number) {
  return number === 1 ? "1 mark is" : `${number} marks are`;
}

function showStrangers(number) {
  const place = document.getElementById("strangers");
  place.hidden = number === 0;
  const wait = number === 1 ? "1 mark of another person waits" : `${number} marks of another person wait`;
  place.textContent = `${wait} on this device until that person signs in here. You can go on.`;
}
