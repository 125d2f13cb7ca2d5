/* The frame of the admin site, for the keyboard and for whoever hears the page.

   Its menus open by clicks on plain elements: here these become buttons. Its icons are words drawn
   as pictures ("arrow_back"): they are hidden from a screen reader, and a link or button that has
   nothing else gets a name. */

const OPENERS = {
  sidebarMobileOpen: { name: "Menu", first: "#nav-sidebar a" },
  sidebarDesktopOpen: { name: "Menu" },
  showActions: { name: "What to do here" }, // on a phone
  openUserLinks: { first: "nav[x-show=openUserLinks] :is(a, button)" }, // its name: the person's
};
const START_PAGE = "Start page";
const SHOWN_AFTER = 50; // milliseconds: before, nothing in a menu takes the focus

/** Which of the menus an element opens; "" for any other click. */
const stateOf = (one) => /^\w*/.exec(one.getAttribute("x-on:click"))[0];

function nameIcons() {
  for (const icon of document.querySelectorAll(".material-symbols-outlined")) {
    const owner = icon.closest("a, button");
    if (!icon.hasAttribute("x-on:click")) icon.ariaHidden = "true";
    if (!owner || owner.ariaLabel) continue;
    const words = owner.innerText.replace(icon.innerText, "").trim();
    const name = owner.title || (owner.matches("a[href$='/admin/']") ? START_PAGE : "");
    if (!words && name) owner.ariaLabel = name;
  }
}

function showState(one, state) {
  one.ariaExpanded = String(window.Alpine.evaluate(one, state));
}

function makeButton(one) {
  one.role = "button";
  one.tabIndex = 0;
  one.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    one.click();
  });
}

function makeOpener(one, state, { name, first }) {
  makeButton(one);
  if (name) one.ariaLabel = name;
  showState(one, state);
  one.addEventListener("click", (event) => {
    const focused = first && event.detail === 0; // by key: who clicks does not lose the place
    requestAnimationFrame(() => showState(one, state));
    if (focused) setTimeout(() => document.querySelector(first)?.focus(), SHOWN_AFTER);
  });
}

document.addEventListener("alpine:initialized", () => {
  nameIcons();
  for (const one of document.querySelectorAll("[x-on\\:click]:not(button)")) {
    const state = stateOf(one);
    if (state in OPENERS) makeOpener(one, state, OPENERS[state]);
    else if (one.matches("a:not([href])")) makeButton(one);
  }
});

/** What is chosen by typing is drawn by a script that leaves the field's label out. */
function nameSearches() {
  for (const select of document.querySelectorAll("select.admin-autocomplete")) {
    const box = select.parentElement.querySelector(".select2-selection");
    const [label] = select.labels;
    if (!box || !label) continue;
    label.id ||= `${select.id}-label`;
    box.setAttribute("aria-labelledby", `${label.id} ${box.getAttribute("aria-labelledby")}`);
    box.querySelector("[role=textbox]")?.setAttribute("aria-labelledby", label.id);
  }
}

/** On a phone each cell of a list names its column, as a sentence begins (admin.css). */
function nameCells() {
  for (const cell of document.querySelectorAll("#result_list [data-label]")) {
    const { label } = cell.dataset;
    cell.dataset.label = label.charAt(0).toUpperCase() + label.slice(1);
  }
}
document.addEventListener("DOMContentLoaded", nameCells);

/** What is typed there is posted. */
function allowPosts(jQuery) {
  const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value;
  if (token) jQuery.ajaxSetup({ headers: { "X-CSRFToken": token } });
}

// That script waits for jQuery to be ready: whoever waits later is called later.
window.addEventListener("load", () => {
  const jQuery = window.django?.jQuery;
  if (!jQuery) return;
  allowPosts(jQuery);
  jQuery(nameSearches);
});
