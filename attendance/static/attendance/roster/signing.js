/* Signing: each complete session of the sheet, after one question. */

import { NoAnswer, call, newKey } from "./api.js";
import { opened } from "./ask.js";
import { held } from "./lines.js";

const dialog = document.getElementById("signing");

/** What was done, in a sentence; null when nothing was. */
export async function sign(sheet, clock) {
  const open = held(sheet).filter((session) => !session.signed);
  if (!open.length) return "The roster is signed already.";
  const ready = open.filter((session) => session.state === "recorded");
  if (!ready.length) return incomplete(open);
  const times = ready.map((session) => clock.say(session.starts_at)).join(", ");
  const left = open.length - ready.length;
  const rest = left ? ` ${left} more cannot be signed yet.` : "";
  document.getElementById("signing-text").textContent =
    `You say that the roster of ${times} is complete and true. A later change needs a reason.${rest}`;
  if (!(await opened(dialog, () => true))) return null;
  return signAll(ready);
}

function incomplete(open) {
  const missing = Math.max(...open.map((session) => session.expected - session.recorded));
  return missing ? `Record everybody first: ${missing} still unrecorded.` : "It has not begun.";
}

async function signAll(sessions) {
  for (const session of sessions) {
    const answer = await post(session);
    if (answer.status !== 200) return answer.body.detail || "It could not be signed. Try again.";
  }
  return sessions.length === 1 ? "The roster is signed." : `${sessions.length} sessions are signed.`;
}

async function post(session) {
  try {
    return await call(`/api/v1/sessions/${session.id}/sign/`, {
      method: "POST", send: {}, headers: { "Idempotency-Key": newKey() },
    }); // prettier-ignore
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    return { status: 0, body: { detail: "No connection. Sign again when there is one." } };
  }
}
