// The scripts of the chat run as one, in order: this one first.

const element = document.querySelector("main.chat");

// The link back from a document's page finds the conversation by this name.
window.name = "plainquote-chat";

/** What a function of the server returns; null if it could not be reached, or failed. */
async function called(name, given) {
  try {
    const response = await fetch(`chat/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(given),
    });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}
