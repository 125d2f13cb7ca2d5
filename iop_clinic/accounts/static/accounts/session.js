/*
 * Nobody's input is lost when a login ends, and nobody's screen stays open when they have left.
 *
 * What is sent is kept for this tab until the server has answered it: if the answer is the login
 * page, or that somebody has signed in anew since, the form is shown again as it was, to the same
 * person. Before an unused login ends it is said
 * so; then the page gives way to the login page. Only in sessionStorage, which dies with the tab.
 */

(() => {
  const KEPT = "iop-kept-input";
  const LOGIN = "/admin/login/";
  const NOT_KEPT = ["csrfmiddlewaretoken"];
  const idle = Number(new URL(document.currentScript.src).searchParams.get("idle")) * 1000;
  const warning = Math.min(120000, idle / 2); // before the end
  const PAUSE = 60000; // between two signs of life
  const LATER = 1000; // than the server, which still would take the login for a used one
  const others = new BroadcastChannel("iop-session");
  let used = Date.now();
  let leaving = false;

  // A changed form would ask whether to leave, and nobody is there to answer: heard before it is.
  window.addEventListener("beforeunload", (event) => {
    if (leaving) event.stopImmediatePropagation();
  });

  document.addEventListener("DOMContentLoaded", () => {
    if (location.pathname === LOGIN || document.getElementById("not-accepted")) return markLost();
    giveBack();
    document.addEventListener("submit", sent);
    if (idle && user()) watch();
    return undefined;
  });

  function user() {
    return document.getElementById("signed-in")?.dataset.user;
  }

  function forms() {
    const all = [...document.querySelectorAll("#service-form, form[id$='_form']")];
    return all.filter((form) => form.method === "post" && !form.querySelector("[type=file]"));
  }

  // --- what was sent ---------------------------------------------------------------------------

  function sent(event) {
    if (event.target.action.endsWith("/logout/")) forget();
    else if (forms().includes(event.target)) keep(event.target, false);
  }

  function keep(form, lost) {
    const fields = [...form.elements].filter(isKept).map(({ name, value, selectedOptions }) => {
      return { name, value, text: selectedOptions?.[0]?.text };
    });
    const all = { user: user(), page: location.pathname + location.search, fields, lost };
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(all));
    } catch {
      // A browser that stores nothing keeps nothing.
    }
  }

  function isKept(field) {
    if (!field.name || NOT_KEPT.includes(field.name) || field.type === "password") return false;
    return !["checkbox", "radio"].includes(field.type) || field.checked;
  }

  function kept() {
    try {
      return JSON.parse(sessionStorage.getItem(KEPT));
    } catch {
      return null;
    }
  }

  function forget() {
    sessionStorage.removeItem(KEPT);
  }

  /** The login page came instead of an answer, or what was sent was not accepted. */
  function markLost() {
    const input = kept();
    if (input) sessionStorage.setItem(KEPT, JSON.stringify({ ...input, lost: true }));
  }

  /** Any other page is an answer, unless the input was lost: then its form shows it again. */
  function giveBack() {
    const input = kept();
    if (!input) return;
    if (!input.lost || input.user !== user()) return forget();
    const [form] = forms();
    if (!form || input.page !== location.pathname + location.search) return;
    fill(form, input.fields);
    forget();
    tell(form);
  }

  function fill(form, fields) {
    for (const field of form.elements) {
      if (!field.name || NOT_KEPT.includes(field.name) || field.type === "password") continue;
      const values = fields.filter((one) => one.name === field.name);
      if (["checkbox", "radio"].includes(field.type)) {
        field.checked = values.some((one) => one.value === field.value);
      } else if (values.length) {
        choose(field, values[0]);
        field.value = values[0].value;
      }
      if (field.type !== "hidden") field.dispatchEvent(new Event("change", { bubbles: true }));
    }
  }

  /** A choice that was found by typing is no option of the new page. */
  function choose(field, { value, text }) {
    if (!field.options || [...field.options].some((one) => one.value === value)) return;
    field.add(new Option(text ?? value, value));
  }

  function tell(form) {
    const note = document.createElement("p");
    note.className = "clinic-kept";
    note.setAttribute("role", "status");
    note.textContent =
      "You were signed out before this was saved. Your entries are here again: look at them, then save.";
    form.before(note);
  }

  // --- a login that nobody uses ----------------------------------------------------------------

  function watch() {
    others.onmessage = () => {
      used = Date.now();
    };
    others.postMessage("used");
    for (const kind of ["input", "click", "keydown"]) document.addEventListener(kind, touched);
    setInterval(look, Math.min(5000, idle / 10));
  }

  /** Somebody types: the server hears of it at most once a minute. */
  function touched() {
    if (Date.now() - used > Math.min(PAUSE, warning / 2)) stay();
  }

  async function stay() {
    used = Date.now();
    const answer = await fetch("/admin/awake/", { cache: "no-store" }).catch(() => null);
    if (answer?.status === 401) leave();
    else others.postMessage("used");
    look();
  }

  function look() {
    const left = used + idle - Date.now();
    if (left <= -LATER) return leave();
    return show(left < warning);
  }

  function show(soon) {
    const old = document.getElementById("clinic-idle");
    if (!soon) return old?.remove();
    if (old) return undefined;
    const clock = new Date(used + idle).toLocaleTimeString("en-US", { timeStyle: "short" });
    const box = document.createElement("div");
    box.id = "clinic-idle";
    box.setAttribute("role", "alert");
    box.textContent = `Nothing was done here for a while. You are signed out at ${clock} on this device's clock. `;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Stay signed in";
    button.addEventListener("click", stay);
    box.append(button);
    return document.body.append(box);
  }

  function leave() {
    const [form] = forms();
    if (form) keep(form, true);
    leaving = true;
    const next = encodeURIComponent(location.pathname + location.search);
    location.assign(`${LOGIN}?next=${next}`);
  }
})();
