() => {
  // The link back from a document's page finds the conversation by this name.
  window.name = "plainquote-chat";

  // A question that cannot be sent is a fault like any other. Left to itself, Gradio would wait for the server
  // and then load the page anew, without the conversation. 503 is what a full server says.
  const send = window.fetch;
  window.fetch = async (resource, options) => {
    try {
      return await send(resource, options);
    } catch (error) {
      const url = String(resource?.url ?? resource);
      if (!url.includes("/queue/join")) throw error;
      return new Response("{}", { status: 503, headers: { "content-type": "application/json" } });
    }
  };
}
