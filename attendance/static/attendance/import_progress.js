// How far a worker is: asked once a second, said aloud every ten, and loaded anew when it is done.
const part = document.querySelector("[data-progress]");
const bar = part.querySelector("progress");
const title = document.getElementById("import-standing");
const SECOND = 1000;
const ALOUD = 10;
const PATIENCE = 5;

const wait = () => new Promise((done) => setTimeout(done, SECOND));

async function ask() {
  const headers = { Accept: "application/json", "X-Unattended": "1" };
  const response = await fetch(part.dataset.progress, { headers });
  if (!response.ok || response.redirected) throw new Error(response.statusText);
  return response.json();
}

function show(answer, aloud) {
  if (answer.of) {
    bar.max = answer.of;
    bar.value = answer.rows;
  } else {
    bar.removeAttribute("value");
  }
  title.textContent = answer.title;
  part.querySelector("[data-said]").textContent = answer.said;
  if (aloud) part.querySelector("[data-aloud]").textContent = answer.said;
}

async function watch() {
  let missed = 0;
  for (let count = 0; missed < PATIENCE; count += 1) {
    await wait();
    try {
      const answer = await ask();
      if (!answer.busy) {
        location.reload();
        return;
      }
      show(answer, count % ALOUD === 0);
      missed = 0;
    } catch {
      missed += 1; // signed out, or the server is away
    }
  }
  part.querySelector("[data-lost]").hidden = false;
}

watch();
