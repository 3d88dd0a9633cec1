// Gradio gives the scripts of this part `element`, its HTML, and `server`, its functions. They run as one, in order.

/** What a function of the server returns; null if it could not be reached, or failed. */
async function called(name, given) {
  try {
    return (await server[name](given)) ?? null;
  } catch {
    return null;
  }
}
