// What moves on the demo's page: the stream, the upload, the two errors.
// Rules: text from the network enters the page as text, never as HTML; each part says in `data-state` where it is
// (idle, running, done, stopped, failed), for the style and for the tests.
"use strict";

const element = (id) => document.getElementById(id);
const bytes = (count) => `${count.toLocaleString("en")} ${count === 1 ? "byte" : "bytes"}`;
const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(2)} s`;

function report(part, state, text) {
  const status = part.querySelector(".status");
  status.ariaBusy = state === "running"; // screen readers speak of the end, not of every piece
  status.textContent = text;
  part.dataset.state = state;
}

// --- The stream: one line and one dot for each piece, when it arrives.

let streaming = null;

async function stream(pieces, interval) {
  const part = element("stream");
  const log = element("stream-log");
  const timeline = element("stream-timeline");
  log.replaceChildren();
  timeline.replaceChildren();
  report(part, "running", "Asked; waiting for the head.");
  streaming = new AbortController();
  element("stream-start").disabled = true;
  element("stream-stop").disabled = false;

  const expected = Math.max(1, (pieces - 1) * interval);
  const start = performance.now();
  let arrived = 0;
  let received = 0;
  try {
    const query = new URLSearchParams({ n: pieces, interval });
    const response = await fetch(`stream?${query}`, { signal: streaming.signal });
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const time = performance.now() - start;
      arrived += 1;
      received += value.length;
      showPiece(log, timeline, time, time / expected, decoder.decode(value, { stream: true }));
      report(part, "running", `Status ${response.status}. ${arrived} of ${pieces} pieces so far, the last after ${seconds(time)}.`);
    }
    report(part, "done", `Complete: ${bytes(received)} in ${arrived} ${arrived === 1 ? "piece" : "pieces"}, over ${seconds(performance.now() - start)}.`);
  } catch (error) {
    if (error.name === "AbortError") {
      report(part, "stopped", `Stopped after ${arrived} pieces. The server has dropped the application.`);
    } else {
      report(part, "failed", `Failed after ${arrived} pieces: ${error.message}.`);
    }
  } finally {
    streaming = null;
    element("stream-start").disabled = false;
    element("stream-stop").disabled = true;
  }
}

function showPiece(log, timeline, time, share, text) {
  const line = document.createElement("li");
  const when = document.createElement("span");
  when.textContent = `+${seconds(time)}`;
  line.append(when, text.trimEnd());
  log.append(line);
  log.scrollTop = log.scrollHeight;

  const dot = document.createElement("span");
  dot.style.left = `${Math.min(share, 1) * 100}%`;
  timeline.append(dot);
}

// --- The upload: pieces small enough to fit into the buffers on the way, since many browsers read no response
// before the whole request is sent.

const PIECE = 64 * 1024;

function randomBlob(pieces) {
  const parts = [];
  for (let piece = 0; piece < pieces; piece += 1) {
    parts.push(crypto.getRandomValues(new Uint8Array(PIECE)));
  }
  return new Blob(parts);
}

async function echo(blob, name) {
  const part = element("echo");
  const start = performance.now();
  element("echo-random").disabled = element("echo-file").disabled = true;
  report(part, "running", `Sending ${name}, ${bytes(blob.size)}.`);
  progress("echo-sent", 0, blob.size);
  progress("echo-back", 0, blob.size);
  try {
    let offset = 0;
    do {
      const piece = blob.slice(offset, offset + PIECE);
      const back = await echoPiece(piece, offset, blob.size);
      if (!equal(new Uint8Array(await piece.arrayBuffer()), back)) {
        throw new Error(`what came back differs within the piece at byte ${offset.toLocaleString("en")}`);
      }
      offset += piece.size;
      progress("echo-sent", offset, blob.size);
      progress("echo-back", offset, blob.size);
    } while (offset < blob.size);
    report(part, "done", `Complete: ${bytes(offset)} went out and came back, every one the same, in ${seconds(performance.now() - start)}.`);
  } catch (error) {
    report(part, "failed", `Failed: ${error.message}.`);
  } finally {
    element("echo-random").disabled = element("echo-file").disabled = false;
  }
}

// XMLHttpRequest, since fetch tells nothing of how far an upload is.
function echoPiece(piece, offset, total) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "echo");
    request.responseType = "arraybuffer";
    request.setRequestHeader("content-type", "application/octet-stream");
    request.upload.onprogress = (event) => progress("echo-sent", offset + event.loaded, total);
    request.onprogress = (event) => progress("echo-back", offset + event.loaded, total);
    request.onload = () => request.status === 200
      ? resolve(new Uint8Array(request.response))
      : reject(new Error(`the server answered ${request.status}`));
    request.onerror = () => reject(new Error("the connection broke"));
    request.send(piece);
  });
}

function equal(left, right) {
  return left.length === right.length && left.every((byte, place) => byte === right[place]);
}

function progress(id, count, total) {
  element(id).max = Math.max(total, 1);
  element(id).value = total === 0 ? 1 : count;
  element(`${id}-text`).textContent = bytes(count);
}

// --- The errors: what a client sees of them.

async function fail(part, path) {
  const body = part.querySelector(".body");
  body.hidden = true;
  report(part, "running", "Asked.");
  let response = null;
  let text = "";
  let received = 0;
  try {
    response = await fetch(path);
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      received += value.length;
      text += decoder.decode(value, { stream: true });
    }
    const status = `${response.status} ${response.statusText}`.trim();
    report(part, response.ok ? "failed" : "done", `Status ${status}: a complete response of ${bytes(received)}.`);
  } catch (error) {
    const begun = response === null ? "No head came" : `Status ${response.status}, then ${bytes(received)}, then the message was cut`;
    report(part, response === null ? "failed" : "done", `${begun}: the browser reports “${error.message}”.`);
  }
  body.textContent = text;
  body.hidden = text === "";
}

// --- The WebSockets.

const socketAddress = (path) => new URL(path, location.href.replace(/^http/, "ws"));
let talking = null;

function say(message) {
  const part = element("console");
  const log = element("console-log");
  if (talking === null) {
    talking = new WebSocket(socketAddress("socket/echo"));
    talking.onopen = () => {
      report(part, "running", `Open${talking.extensions ? `, with ${talking.extensions}` : ""}.`);
      element("console-close").disabled = false;
      talking.send(message);
    };
    talking.onmessage = ({ data }) => {
      const line = document.createElement("li");
      line.textContent = data;
      log.append(line);
    };
    talking.onclose = ({ code, wasClean }) => {
      report(part, wasClean ? "done" : "failed", `Closed with ${code}${wasClean ? "" : ", not cleanly"}.`);
      element("console-close").disabled = true;
      talking = null;
    };
  } else {
    talking.send(message);
  }
}

function download(total) {
  const part = element("download");
  const socket = new WebSocket(socketAddress(`socket/download?bytes=${total}`));
  socket.binaryType = "arraybuffer";
  let received = 0;
  let told = 0;
  element("download-run").disabled = true;
  report(part, "running", "Asked.");
  socket.onmessage = ({ data }) => {
    if (typeof data === "string") {
      told = parseInt(data, 10);
      progress("download-told", told, total);
    } else {
      received += data.byteLength;
    }
  };
  socket.onclose = ({ code, reason, wasClean }) => {
    const whole = wasClean && code === 1000 && received === total && told === total;
    report(part, whole ? "done" : "failed", `Closed with ${code} (${reason}): ${bytes(received)} came, ${bytes(told)} were told.`);
    element("download-run").disabled = false;
  };
}

// --- What a person does.

element("stream-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.currentTarget.elements;
  stream(form.n.valueAsNumber, form.interval.valueAsNumber);
});
element("stream-stop").addEventListener("click", () => streaming?.abort());
element("echo-random").addEventListener("click", () => echo(randomBlob(128), "random bytes"));
element("echo-file").addEventListener("change", (event) => {
  const [file] = event.currentTarget.files;
  if (file) echo(file, file.name);
});
element("console-form").addEventListener("submit", (event) => {
  event.preventDefault();
  say(event.currentTarget.elements.message.value);
});
element("console-close").addEventListener("click", () => talking?.close(1000));
element("download-run").addEventListener("click", () => download(8 * 1024 * 1024));
element("before-run").addEventListener("click", () => fail(element("error-before"), "error/before"));
element("after-run").addEventListener("click", () => fail(element("error-after"), "error/after"));
