// A document beside the chat or, where the window is narrow, over it. Without this its link opens a tab.

const panel = element.querySelector("#panel");
const pattern = panel.querySelector("iframe");
pattern.remove();
let frame = null; // while something is read
const wide = matchMedia("(min-width: 1000px)");
let openedBy = null; // the link, which gets the focus back
let entries = 0; // of the window's history, once the panel was open

function showPanel() {
  if (wide.matches) panel.show();
  else panel.showModal(); // nothing behind it can be reached
  document.documentElement.classList.add("reading");
}

/** A frame of its own for each document, and none once the panel is closed. A frame that stayed would be one more page to
    go back to: going back would load the document before into it, which then takes the focus. */
function newFrame(url) {
  const fresh = pattern.cloneNode();
  fresh.src = url;
  fresh.addEventListener("load", () => fresh.contentWindow.addEventListener("keydown", onEscape));
  frame?.remove();
  panel.append(fresh);
  frame = fresh;
}

function openPanel(link) {
  const url = new URL(link.href);
  url.searchParams.set("panel", "1");
  panel.querySelector("a.window").href = link.href;
  newFrame(url);
  openedBy = link;
  if (panel.open) return;
  history.pushState({ ...history.state, reading: true }, "");
  entries = history.length;
  showPanel();
}

function hidePanel() {
  if (!panel.open) return;
  panel.close();
  frame.remove();
  frame = null;
  document.documentElement.classList.remove("reading");
  if (openedBy?.isConnected) openedBy.focus();
}

/** Closes it as going back would, unless one went on reading in it: going back would then only turn its pages. */
function closePanel() {
  const back = panel.open && history.state?.reading && history.length === entries;
  hidePanel();
  if (back) history.back();
}

element.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-source]");
  if (link && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey)) {
    event.preventDefault();
    openPanel(link);
  } else if (event.target.closest("#panel .close")) closePanel();
});

const onEscape = (event) => {
  if (event.key === "Escape" && panel.open) {
    event.preventDefault();
    closePanel();
  }
};
document.addEventListener("keydown", onEscape);
panel.addEventListener("cancel", (event) => {
  event.preventDefault();
  closePanel();
});
// Once the browser has gone back: it would take the focus away again.
window.addEventListener("popstate", () => {
  if (!history.state?.reading) setTimeout(hidePanel);
});
wide.addEventListener("change", () => {
  if (!panel.open) return;
  panel.close();
  showPanel();
});
