() => {
  // The link back from a document's page finds the conversation by this name.
  window.name = "plainquote-chat";
}
