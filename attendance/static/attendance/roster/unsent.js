/* Says how many marks wait on this device, and what to do about it. */

import * as marks from "./marks.js";

export function showUnsent(sender) {
  const waiting = marks.all();
  const sending = document.getElementById("sending");
  const said = sentence(sender.state, waiting);
  if (sending.textContent !== said) sending.textContent = said;
  sending.dataset.count = waiting.length;
  document.getElementById("unsent").classList.toggle("waiting", waiting.length > 0);
  const out = sender.state === "signed-out" || sender.state === "other-person";
  document.getElementById("sign-in").hidden = !out;
  showStrangers(marks.ofOthers());
}

function sentence(state, waiting) {
  const count = counted(waiting.length);
  if (state === "other-person") {
    return `Somebody else is signed in on this device. Sign in again; your ${count} kept.`;
  }
  if (state === "signed-out") {
    return waiting.length ? `Sign in again; your ${count} kept.` : "Sign in again to go on.";
  }
  if (!waiting.length) return "Everything is sent.";
  const refused = waiting.filter((mark) => mark.refused).length;
  const left = `${waiting.length} not sent yet`;
  const keep = marks.kept() ? "" : " This browser keeps nothing: leave the page open.";
  if (refused) return `${left}. ${refused} of them need your answer.${keep}`;
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
  place.textContent = `${wait} on this device until that person signs in here.`;
}
