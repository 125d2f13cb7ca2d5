// Files dropped or chosen: listed with their sizes, and too large ones told before they are sent.
const form = document.querySelector("[data-files]");
const drop = form.querySelector("[data-drop]");
const input = form.querySelector("input[type=file]");
const button = form.querySelector("[type=submit]");
const trouble = form.querySelector("[data-trouble]");
const MEGABYTE = 1024 * 1024;

form.querySelector("[data-hint]").hidden = false;

function said(bytes) {
  return bytes < MEGABYTE ? `${Math.ceil(bytes / 1024)} KB` : `${(bytes / MEGABYTE).toFixed(1)} MB`;
}

function show() {
  const files = [...input.files];
  const lines = files.map((file) => {
    const line = document.createElement("li");
    line.textContent = `${file.name}, ${said(file.size)}`;
    return line;
  });
  form.querySelector("[data-chosen]").replaceChildren(...lines);
  const most = Number(form.dataset.most);
  const all = files.reduce((sum, file) => sum + file.size, 0);
  const over = all > most;
  trouble.textContent = over
    ? `Together ${said(all)}: at most ${said(most)} at a time. Bring them in several times.`
    : "";
  button.disabled = over;
}

for (const kind of ["dragenter", "dragover"]) {
  drop.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.add("is-over");
  });
}
for (const kind of ["dragleave", "drop"]) {
  drop.addEventListener(kind, () => drop.classList.remove("is-over"));
}
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  if (event.dataTransfer.files.length) {
    input.files = event.dataTransfer.files;
    show();
  }
});
// Before it gets to the input: there the site's own script looks for a text field beside it.
form.addEventListener(
  "change",
  (event) => {
    event.stopPropagation();
    show();
  },
  { capture: true },
);
form.addEventListener("submit", () => {
  button.disabled = true; // a second click would send them twice
  form.querySelector("[data-sending]").textContent = "The files are being sent.";
});
window.addEventListener("pageshow", show); // also when somebody comes back to this page
