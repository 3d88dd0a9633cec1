// Asks, and puts what comes back into the log. The conversation is here and nowhere else.

const log = element.querySelector(".log");
const box = element.querySelector("#question");
const send = element.querySelector("#send");
const problem = element.querySelector("#problem");
const printAll = element.querySelector("#print-all");
const fault = element.querySelector("#fault").innerHTML;
let waiting = null; // what is being asked

function newTurn(question) {
  const turn = element.querySelector("#turn").content.firstElementChild.cloneNode(true);
  turn.querySelector(".question bdi").textContent = question;
  turn.question = question;
  if (opening) turn.querySelector(".working").textContent = opening.textContent;
  log.append(turn);
  return turn;
}

/** The newest question comes to the top, so that its answer is read from its beginning. */
function toTop(turn) {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  turn.scrollIntoView({ block: "start", behavior: still ? "auto" : "smooth" });
}

async function ask(question, ownWords = false) {
  if (waiting) return;
  const asked = (waiting = { question });
  const history = [...log.querySelectorAll(".turn")].map((turn) => turn.question);
  const turn = question.trim() ? newTurn(question) : null;
  problem.textContent = "";
  send.ariaDisabled = "true";
  if (turn) toTop(turn);
  const reply = (await called("ask", { question, history, own_words: ownWords })) ?? { html: "", problem: fault };
  if (waiting !== asked) return; // cleared meanwhile
  waiting = null;
  send.ariaDisabled = null;
  if (turn && reply.html) {
    turn.querySelector(".working").remove();
    turn.insertAdjacentHTML("beforeend", reply.html);
    toTop(turn);
  } else {
    turn?.remove();
    problem.innerHTML = reply.problem;
    if (!box.value) box.value = question;
  }
  printAll.hidden = !log.firstElementChild;
}

element.querySelector("#composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (waiting) return;
  const question = box.value;
  box.value = "";
  ask(question);
});

box.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  box.form.requestSubmit();
});

// A button with words to ask asks them.
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-ask]");
  if (button) ask(button.dataset.ask, "own" in button.dataset);
});

element.querySelector("#clear").addEventListener("click", () => {
  waiting = null;
  send.ariaDisabled = null;
  closePanel();
  log.replaceChildren();
  problem.textContent = "";
  box.value = "";
  printAll.hidden = true;
  box.focus();
  scrollTo({ top: 0 });
});

send.disabled = false; // one who was quicker than this script has not sent the form in vain
