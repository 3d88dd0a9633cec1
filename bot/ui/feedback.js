// What a reader thinks of an answer. It can be changed: the last choice counts.

const lastChoice = new WeakMap();

element.addEventListener("click", async (event) => {
  const button = event.target.closest(".feedback button");
  if (!button) return;
  const asked = button.closest(".feedback");
  const { helped, reason } = button.dataset;
  const pressed = (one) =>
    one === button || (one.dataset.helped === helped && !one.dataset.reason && helped === "no");
  for (const one of asked.querySelectorAll("button")) one.ariaPressed = String(pressed(one));
  asked.querySelector(".why").hidden = helped === "yes";

  const choice = {};
  lastChoice.set(asked, choice);
  const given = { id: asked.dataset.answer, helped: helped === "yes", reason: reason ?? null };
  const told = await called("feedback", given);
  if (lastChoice.get(asked) !== choice) return;
  asked.querySelector(".thanks").textContent = told?.text ?? asked.dataset.failed;
});
