// While the documents are being opened one can type and ask already. Once they are open the page is loaded anew, and
// what was typed and asked goes on there.

const AGAIN = 1000; // milliseconds
const PAUSE = 1000; // nobody is interrupted who types
const KEPT = "plainquote-opening";
let lastTyped = 0;

/** Null where the browser lets no page keep anything. */
function storage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

function keep() {
  const focused = document.activeElement === box;
  const state = { typed: box.value, from: box.selectionStart, to: box.selectionEnd, focused, asked: waiting?.question };
  storage()?.setItem(KEPT, JSON.stringify(state));
}

function goOn() {
  const state = JSON.parse(storage()?.getItem(KEPT) ?? "null");
  if (!state) return;
  storage().removeItem(KEPT);
  box.value = state.typed;
  box.setSelectionRange(state.from, state.to);
  if (state.focused) box.focus();
  if (state.asked) ask(state.asked);
}

async function isOpen() {
  try {
    const { reasons } = await (await fetch("ready")).json();
    return !reasons?.includes("opening");
  } catch {
    return false; // the server is away
  }
}

async function untilOpen() {
  if (Date.now() - lastTyped >= PAUSE && (await isOpen()) && Date.now() - lastTyped >= PAUSE) location.reload();
  else setTimeout(untilOpen, AGAIN);
}

goOn();
if (opening) {
  box.addEventListener("input", (event) => (lastTyped = event.isComposing ? Infinity : Date.now()));
  box.addEventListener("compositionend", () => (lastTyped = Date.now()));
  addEventListener("pagehide", keep);
  untilOpen();
}
