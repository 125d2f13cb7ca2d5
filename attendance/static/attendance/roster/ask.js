/* The dialogs: a question is a promise of its answer, null when it is cancelled. */

const part = (dialog, name) => dialog.querySelector(`[data-part=${name}]`);

/**
 * Opens a dialog until it is answered, then puts the focus back. `accept()` is asked on Enter and by
 * the dialog's button: its answer closes the dialog, undefined leaves it open.
 *
 * The answer is there before the next key is: whoever types fast may open the dialog again at once.
 */
export function opened(dialog, accept) {
  const before = document.activeElement;
  const form = dialog.querySelector("form");
  dialog.showModal();
  return new Promise((resolve) => {
    const finish = (answer) => {
      form.onsubmit = dialog.oncancel = dialog.onclick = dialog.onclose = null;
      dialog.close();
      if (before?.isConnected) before.focus();
      resolve(answer);
    };
    form.onsubmit = (event) => {
      event.preventDefault();
      const answer = accept();
      if (answer !== undefined) finish(answer);
    };
    dialog.oncancel = () => finish(null);
    dialog.onclick = (event) => event.target.closest("[data-close]") && finish(null);
    dialog.onclose = () => dialog.open || finish(null);
  });
}

const ask = document.getElementById("ask");

/**
 * Asks for what a change needs: `time` and `until` ({label, value, read}), and why it changes.
 *
 * `check` takes the typed texts and gives `{facts, reason}`, or throws an Error that says what is
 * wrong in a sentence. `needsReason` is asked with the facts.
 */
export async function askFor({ title, time, until, hint, check, needsReason }) {
  ask.querySelector("h2").textContent = title;
  ask.querySelector("#ask-hint").textContent = hint ?? "";
  const inputs = { time: prepare("time", time), until: prepare("until", until) };
  const error = ask.querySelector("#ask-error");
  error.textContent = "";
  const reason = part(ask, "reason");
  reason.hidden = Boolean(time);
  const answer = opened(ask, () => {
    try {
      const facts = check(inputs.time?.value ?? "", inputs.until?.value ?? "");
      if (!reason.hidden) return { facts, reason: reason.querySelector("select").value };
      if (!needsReason(facts)) return { facts, reason: "" };
      reason.hidden = false;
      reason.querySelector("select").focus();
    } catch (wrong) {
      error.textContent = wrong.message;
      inputs.time?.focus();
    }
    return undefined;
  });
  inputs.time?.select();
  return answer;
}

// A list of choices takes no Enter for itself: the dialog does.
ask.querySelector("select").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  ask.querySelector("form").requestSubmit();
});

function prepare(name, field) {
  const place = part(ask, name);
  place.hidden = !field;
  if (!field) return null;
  const input = place.querySelector("input");
  if (field.label) place.querySelector("label").textContent = field.label;
  input.value = field.value ?? "";
  return input;
}
