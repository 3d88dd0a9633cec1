// Copies and prints answers.

/** An answer with its sources as plain text; each quote exactly as it stands in its document. */
function asText(turn) {
  const lines = [turn.querySelector(".question").textContent];
  for (const part of turn.querySelectorAll(".reply > .notice, .reply > .card, .reply > .searched > bdi, .quote")) {
    if (!part.matches(".quote")) {
      lines.push(part.textContent);
      continue;
    }
    const caption = part.querySelector("figcaption");
    const told = [...caption.querySelectorAll(".warning, cite, .section, .facts > span")].map((one) => one.textContent);
    lines.push(part.querySelector("blockquote").textContent, [...told, caption.querySelector("a.open").href].join("\n"));
  }
  return lines.join("\n\n") + "\n";
}

/** Where the page is not served over HTTPS, or is in another site's frame, only the older way may be allowed. */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const focused = document.activeElement;
    const all = document.createElement("textarea");
    all.value = text;
    all.className = "aside";
    (panel.open ? panel : document.body).append(all);
    all.select();
    const done = document.execCommand("copy");
    all.remove();
    focused?.focus();
    return done;
  }
}

/** Prints one turn, or the whole conversation. */
function print(turn) {
  const closed = [...element.querySelectorAll("details:not([open])")];
  const root = document.documentElement;
  addEventListener(
    "afterprint",
    () => {
      for (const details of closed) details.open = false;
      turn?.classList.remove("printed");
      root.classList.remove("printing-one");
    },
    { once: true },
  );
  for (const details of closed) details.open = true;
  turn?.classList.add("printed");
  root.classList.toggle("printing-one", Boolean(turn));
  window.print();
}

function tell(text) {
  const told = element.querySelector("#told");
  told.textContent = ""; // so that the same words are read out again
  setTimeout(() => (told.textContent = text), 50);
}

element.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (button?.matches("button.copy")) {
    const words = (await copyText(asText(button.closest(".turn")))) ? button.dataset.done : button.dataset.failed;
    tell(words);
    const shown = button.parentElement.querySelector(".done") ?? document.createElement("span");
    shown.className = "done";
    shown.ariaHidden = "true"; // it is read out already
    shown.textContent = words;
    button.parentElement.append(shown);
  } else if (button?.matches("button.print")) print(button.closest(".turn"));
  else if (button?.matches("#print-all")) print(null);
});
