/* Sends a list in parts, over the headers of tus: HEAD says where the upload stands, PATCH goes on
   from there. Without this script the form sends the file at once. */
(() => {
  const form = document.querySelector("form[data-upload]");
  const panel = document.getElementById("sending");
  if (!form || !panel) return;
  const bar = document.getElementById("sent");
  const label = panel.querySelector("label[for=sent]");
  const status = document.getElementById("sending-status");
  const problem = document.getElementById("sending-problem");
  const resume = document.getElementById("sending-resume");
  const cancel = document.getElementById("sending-cancel");
  const token = form.elements.csrfmiddlewaretoken.value;
  const partBytes = Number(form.dataset.part);
  const number = new Intl.NumberFormat(document.documentElement.lang, { maximumFractionDigits: 1 });
  const SAY_EVERY_MS = 10000;
  const LONGEST_WAIT_S = 30;

  let file, url, offset, failures, request, timer;
  let said = 0;

  function show(bytes) {
    bar.max = file.size;
    bar.value = bytes;
    const text = panel.dataset.sent
      .replace("{sent}", number.format(bytes / 1e6))
      .replace("{total}", number.format(file.size / 1e6));
    label.textContent = text;
    // A screen reader hears of it now and then, not at every step.
    if (Date.now() - said >= SAY_EVERY_MS) say(text);
  }

  function say(text) {
    said = Date.now();
    status.textContent = text;
  }

  function complain(text) {
    problem.replaceChildren();
    if (!text) return;
    const line = document.createElement("p");
    line.className = "error";
    line.textContent = text;
    problem.append(line);
    problem.scrollIntoView({ block: "nearest" });
  }

  function call(method, address, { body, headers = {}, progress } = {}) {
    return new Promise((answer, lost) => {
      request = new XMLHttpRequest();
      request.open(method, address);
      request.setRequestHeader("X-CSRFToken", token);
      for (const name of Object.keys(headers)) request.setRequestHeader(name, headers[name]);
      if (progress) request.upload.addEventListener("progress", progress);
      request.addEventListener("load", (event) => answer(event.target));
      request.addEventListener("error", lost);
      request.addEventListener("timeout", lost);
      request.send(body);
    });
  }

  // A session that ended answers with the sign-in page, at another address.
  const signedOut = (response) =>
    response.responseURL && new URL(response.responseURL).pathname !== new URL(url, location).pathname;

  function explain(response) {
    try {
      const { what, to_do: toDo } = JSON.parse(response.responseText);
      return `${what} ${toDo}`.trim();
    } catch {
      return panel.dataset.failed;
    }
  }

  function open(chosen) {
    file = chosen;
    failures = 0;
    form.hidden = true;
    for (const section of document.querySelectorAll("[data-unfinished]")) section.hidden = true;
    panel.hidden = false;
    panel.focus();
    addEventListener("beforeunload", warn);
  }

  function warn(event) {
    event.preventDefault();
  }

  function stop(text) {
    removeEventListener("beforeunload", warn);
    complain(text);
  }

  async function begin(chosen) {
    if (!chosen) {
      complain(panel.dataset.choose);
      form.elements.file.focus();
      return;
    }
    const fields = new FormData(form);
    fields.delete("file");
    fields.set("size", chosen.size);
    fields.set("modified", chosen.lastModified);
    url = form.dataset.start;
    let response;
    try {
      response = await call("POST", url, { body: fields });
    } catch {
      complain(panel.dataset.failed);
      return;
    }
    if (response.status !== 201) {
      complain(signedOut(response) ? panel.dataset.session : explain(response));
      return;
    }
    url = response.getResponseHeader("Location");
    offset = 0;
    cancel.action = `${url}annuler/`;
    complain("");
    open(chosen);
    send();
  }

  async function send() {
    clearTimeout(timer);
    resume.hidden = true;
    try {
      for (;;) {
        if (offset === null && (await ask())) return;
        show(offset);
        if (await sendPart()) return;
      }
    } catch (reason) {
      if (reason instanceof DOMException) stop(panel.dataset.unreadable);
      else wait();
    }
  }

  // Each of these returns whether there is nothing more to send.
  async function ask() {
    const response = await call("HEAD", url);
    if (response.status === 204 && !signedOut(response)) return arrived(response);
    return refused(response);
  }

  async function sendPart() {
    const start = offset;
    // Read first, so that a file that changed is told from a connection that is lost.
    const body = await file.slice(start, start + partBytes).arrayBuffer();
    offset = null;
    const response = await call("PATCH", url, {
      body,
      headers: { "Upload-Offset": String(start), "Content-Type": "application/octet-stream" },
      progress: (event) => show(Math.min(start + event.loaded, file.size)),
    });
    if (response.status === 204 && !signedOut(response)) return arrived(response);
    return refused(response);
  }

  function arrived(response) {
    offset = Number(response.getResponseHeader("Upload-Offset"));
    if (failures) say(panel.dataset.again);
    failures = 0;
    complain("");
    const page = response.getResponseHeader("Content-Location");
    if (!page) return false;
    show(file.size);
    say(panel.dataset.finished);
    removeEventListener("beforeunload", warn);
    location.assign(page);
    return true;
  }

  function refused(response) {
    if (signedOut(response)) {
      stop(panel.dataset.session);
      return true;
    }
    const isDown = response.status >= 500 && !response.getResponseHeader("Tus-Resumable");
    // The portal is starting again, or another part is where this one thought it was.
    if (isDown || response.status === 409 || response.status === 400) throw new Error();
    panel.hidden = true;
    form.hidden = false;
    stop(explain(response));
    return true;
  }

  function wait() {
    offset = null;
    const seconds = Math.min(2 ** failures, LONGEST_WAIT_S);
    failures += 1;
    complain(panel.dataset.lost.replace("{seconds}", number.format(seconds)));
    resume.hidden = false;
    timer = setTimeout(send, seconds * 1000);
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    begin(form.elements.file.files[0]);
  });
  resume.addEventListener("click", send);
  addEventListener("online", () => resume.hidden || send());
  cancel.addEventListener("submit", () => {
    removeEventListener("beforeunload", warn);
    clearTimeout(timer);
    request.abort();
  });
  for (const block of document.querySelectorAll("[data-resume]")) {
    block.hidden = false;
    block.querySelector("button").addEventListener("click", () => {
      const chosen = block.querySelector("input").files[0];
      const isSame =
        chosen &&
        chosen.size === Number(block.dataset.size) &&
        (!block.dataset.modified || chosen.lastModified === Number(block.dataset.modified));
      if (!isSame) {
        complain(chosen ? panel.dataset.other : panel.dataset.choose);
        return;
      }
      url = block.dataset.url;
      cancel.action = `${url}annuler/`;
      offset = null;
      complain("");
      open(chosen);
      send();
    });
  }
})();
