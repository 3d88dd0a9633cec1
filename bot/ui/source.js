// The pages of documents work without this; with it a link can be copied, a page enlarged, and the quote is read first.

// The quote is where one wants to be, by eye and by ear.
const quote = document.getElementById("quote");
if (quote && location.hash === "#quote") {
  quote.focus({ preventScroll: true });
  quote.scrollIntoView({ block: "center" });
}

for (const share of document.querySelectorAll(".share")) {
  const [button, status, field] = share.querySelectorAll("button, [role=status], input");
  share.hidden = false;
  button.addEventListener("click", async () => {
    field.value = new URL(share.dataset.link, location.href).href;
    status.textContent = ""; // said anew each time
    const copied = await copy(field);
    field.hidden = copied;
    if (!copied) field.select();
    setTimeout(() => (status.textContent = copied ? status.dataset.done : status.dataset.failed), 50);
  });
}

// A page that came over plain HTTP has no clipboard, but an older way to it.
async function copy(field) {
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    const before = document.activeElement;
    field.hidden = false;
    field.select();
    const copied = document.execCommand("copy");
    before?.focus();
    return copied;
  }
}

for (const button of document.querySelectorAll("button.larger")) {
  const scan = document.querySelector(".scan");
  button.hidden = false;
  button.addEventListener("click", () => {
    const large = scan.classList.toggle("large");
    button.textContent = large ? button.dataset.smaller : button.dataset.larger;
    quote?.scrollIntoView({ block: "center", inline: "center" });
  });
}
