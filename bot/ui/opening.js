// While the leaflets are being opened one can type and ask: the server answers as soon as it can.

const AGAIN = 1000; // milliseconds

async function untilOpen() {
  const reply = await called("starters", {});
  if (!reply) return setTimeout(untilOpen, AGAIN);
  opening.remove();
  element.querySelector(".starters").innerHTML = reply.html;
}

if (opening) untilOpen();
send.disabled = false;
