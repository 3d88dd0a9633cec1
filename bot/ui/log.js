// Runs once in each of the page's two HTML parts (Gradio gives `element`, `trigger` and `watch`).

// A button with words to ask asks them.
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-ask]");
  if (button) trigger("submit", { question: button.dataset.ask, own_words: "own" in button.dataset });
});

// The newest question comes to the top, so that its answer is read from its beginning.
watch("value", () => {
  const turns = element.querySelectorAll(".turn");
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  turns[turns.length - 1]?.scrollIntoView({ block: "start", behavior: still ? "auto" : "smooth" });
});
