/* One way to the REST API, as the person this page was made for. */

const page = document.body.dataset;

export const user = page.user;

/** No answer came: nobody knows whether the request arrived. */
export class NoAnswer extends Error {}

/** What the page asks by itself, whether anybody is there or not: no login lives on by it. */
const UNATTENDED = { "X-Unattended": "1" };

const PATIENCE = 20000; // milliseconds
const THERE = 60000; // so long after a touch somebody is taken to be there

let touched = Date.now();
const touch = () => {
  if (!document.hidden) touched = Date.now();
};
for (const kind of ["pointerdown", "keydown", "input"]) document.addEventListener(kind, touch, true);
document.addEventListener("visibilitychange", touch);

/**
 * The status and body of an answer, `wait` in seconds if it names one, and `skew`: by how many
 * milliseconds the server's clock is ahead of this device's.
 *
 * The token is the page's, not the cookie's: a new sign-in makes a new one, so what this page
 * sends can never be taken for somebody else's. Answers name patients and are stored nowhere.
 */
export async function call(path, { method = "GET", send, headers = {} } = {}) {
  const alone = Date.now() - touched > THERE ? UNATTENDED : {};
  const sent = { Accept: "application/json", ...alone, ...headers };
  if (method !== "GET") sent["X-CSRFToken"] = page.csrf;
  if (send !== undefined) sent["Content-Type"] = "application/json";
  try {
    const answer = await fetch(path, {
      method,
      headers: sent,
      body: send === undefined ? undefined : JSON.stringify(send),
      cache: "no-store",
      credentials: "same-origin",
      signal: AbortSignal.timeout(PATIENCE),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      body: parsed(text),
      wait: Number(answer.headers.get("Retry-After")) || 0,
      skew: Date.parse(answer.headers.get("Date")) - Date.now() || 0,
    };
  } catch {
    throw new NoAnswer();
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** A name for one act, under which it is done once however often it is sent. */
export function newKey() {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((n) => n.toString(36)).join("");
}
