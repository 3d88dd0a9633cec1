// Runs in Gradio's part of the page, which gives it `element` and `server`: call.js takes them.
document.dispatchEvent(new CustomEvent("gradio-part", { detail: { part: element, functions: server } }));
