// Shows how far a job is, and opens the page anew once it has ended.
"use strict";

const job = document.getElementById("job");
const bar = document.getElementById("done");
const words = document.getElementById("words");

async function look() {
  try {
    const answer = await fetch(job.dataset.state, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.status);
    const state = await answer.json();
    if (state.state !== "running") {
      location.reload();
      return;
    }
    bar.value = state.done;
    if (state.words && words.textContent !== state.words) words.textContent = state.words;
  } catch {
    words.textContent = "The server cannot be reached just now.";
  }
  setTimeout(look, 1000);
}

look();
