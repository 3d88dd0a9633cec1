// The scripts of the chat run as one, in order: this one first. They run as soon as the form is there, and so before
// Gradio is: what is asked meanwhile waits.

const PATIENCE = 30000; // milliseconds that a question waits for Gradio

const early = document.querySelector("#early");
const element = early.querySelector(".chat");
const opening = element.querySelector(".opening"); // null: the documents are open, and Gradio is on its way

// The link back from a document's page finds the conversation by this name.
window.name = "plainquote-chat";

/** The functions of the server, once Gradio's part is there. */
const server = new Promise((resolve) => {
  document.addEventListener("gradio-part", ({ detail: { part, functions } }) => {
    enter(part);
    resolve(functions);
  });
});

/** Goes on within Gradio's part, with all that has been typed and asked, and with the focus where it was. */
function enter(part) {
  const focused = document.activeElement;
  if (part.moveBefore && element.isConnected) part.moveBefore(element, null);
  else part.append(element); // which takes the focus away
  early.remove();
  if (document.activeElement !== focused) focused.focus({ preventScroll: true });
}

/** What a function of the server returns; null if it could not be reached, or failed. */
async function called(name, given) {
  try {
    const late = opening ? [] : [new Promise((resolve) => setTimeout(resolve, PATIENCE, {}))];
    const functions = await Promise.race([server, ...late]);
    return (await functions[name](given)) ?? null;
  } catch {
    return null;
  }
}
