// The start screen: a clip, paintings, what they take, and their upload.
"use strict";
(() => {
  const { announce, readClip, uploads } = window.impasto;
  const $ = (selector) => document.querySelector(selector);
  const MAX_PAINTINGS = 6, MAX_PAINTING_BYTES = 50 * 1024 * 1024;
  const FORBIDDEN = /[\u0000-\u001f\u007f/\\'"`<>|?*:;&$%#{}]/g;
  let clip = null, facts = null, paintings = [], upload = null;

  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;
  const nameFrom = (text) => text.replace(FORBIDDEN, "-").replace(/\.\./g, "-").replace(/\s+/g, " ").replace(/^[ .-]+|[ .-]+$/g, "").slice(0, 60) || "clip";
  const stem = (name) => name.replace(/\.[^.]*$/, "");

  function complain(id, text) {
    const line = $(id);
    line.textContent = text;
    line.parentElement.querySelector(".drop")?.classList.toggle("bad", Boolean(text));
  }

  async function takeClip(file) {
    if (!file) return;
    if (!file.type.startsWith("video/") && !/\.(mp4|mov|mkv|webm|m4v|avi)$/i.test(file.name)) {
      complain("#clip-error", `${file.name} is not a video. Save it as MP4 and drop it again.`);
      $("#clip").focus();
      return;
    }
    complain("#clip-error", "");
    $("#clip-name").textContent = file.name;
    const read = await readClip(file, $("#poster"));
    [clip, facts] = [file, read];  // only now: a painting may have been dropped meanwhile
    $("#poster").hidden = !facts.playable;
    $("#ready-name").textContent = file.name;
    const texts = [facts.frames && `${facts.exact ? "" : "about "}${facts.frames.toLocaleString("en")} frames`];
    if (facts.playable) texts.push(`${facts.seconds.toFixed(1)} s`, `${facts.width} × ${facts.height}`);
    texts.push(`${megabytes(file.size)} MB`);
    $("#ready-facts").textContent = texts.filter(Boolean).join(" · ");
    show();
  }

  function takePaintings(files) {
    const error = paintings.length || clip ? "#list-error" : "#painting-error";
    complain(error, "");
    for (const file of files) {
      if (!file.type.startsWith("image/") && !/\.(heic|heif|jpe?g|png|webp|tiff?)$/i.test(file.name)) complain(error, `${file.name} is not a picture. Save it as JPEG and drop it again.`);
      else if (file.size > MAX_PAINTING_BYTES) complain(error, `${file.name} is ${megabytes(file.size)} MB; the limit for a painting is 50 MB. Save it as JPEG and drop it again.`);
      else if (paintings.length >= MAX_PAINTINGS) complain(error, `At most ${MAX_PAINTINGS} paintings fit on one start. Start again for more.`);
      else if (!paintings.some((each) => each.name === file.name && each.size === file.size)) paintings.push(file);
    }
    $("#painting-names").textContent = paintings.length ? paintings.map((each) => each.name).join(", ") : "Drop a painting";
    $("#paintings").value = "";
    listPaintings();
    show();
  }

  function listPaintings() {
    const list = $("#painting-list");
    list.replaceChildren(...paintings.map((file) => {
      const row = $("#painting-row").content.cloneNode(true), picture = row.querySelector("img"), button = row.querySelector("button");
      picture.src = URL.createObjectURL(file);
      row.querySelector("cite").textContent = stem(file.name).replace(/_/g, " ");
      button.setAttribute("aria-label", `Remove ${file.name}`);
      button.addEventListener("click", () => {
        paintings = paintings.filter((each) => each !== file);
        takePaintings([]);
        $("#ready-title").focus();
      });
      return row;
    }));
  }

  const quote = (text) => (/^[\w./-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`);

  // Everything that is known is on the page at once; there are no steps to go back to.
  function show() {
    const wasHidden = $("#ready").hidden;
    $("#choose").hidden = Boolean(clip);
    $("#ready").hidden = !clip;
    if (!clip) return;
    if (wasHidden) $("#ready-title").focus();
    document.title = `${clip.name} · Impasto`;
    $("#preview-command").textContent = ["impasto preview", quote(clip.name), ...(paintings.length ? paintings.flatMap((each) => ["-s", quote(each.name)]) : ["-s", "painting.jpg"])].join(" ");
    const go = $("#go");
    go.disabled = !paintings.length;
    if (!paintings.length) go.textContent = "Add a painting first";
    else if (!facts.frames) go.textContent = "Paint this clip";
    estimate();
  }

  function estimate() {
    const bar = $("#estimate");
    if (!paintings.length || !facts.frames) {
      bar.textContent = paintings.length ? "The length is known once the clip is uploaded." : "Add a painting to see what it takes.";
      return;
    }
    const query = new URLSearchParams({ frames: facts.frames, width: facts.width, height: facts.height, paintings: paintings.length, exact: facts.exact ? "1" : "0", strokes: new FormData($("#paint")).get("strokes") });
    window.htmx.ajax("GET", `/ui/parts/estimate?${query}`, { target: "#estimate", swap: "innerHTML" });
  }

  function options(painting) {
    const form = new FormData($("#paint"));
    const chosen = { video: clipName(), style: paintingName(painting), input: folder };
    if (form.get("strength") !== "100") chosen.strength = Number(form.get("strength")) / 100;
    if (form.get("smoothing") !== "70") chosen.temporal_smoothing = Number(form.get("smoothing")) / 100;
    if (form.get("strokes")) chosen.strokes = form.get("strokes");
    if (form.get("color") !== "no") chosen.preserve_color = form.get("color");
    if (form.get("sound") !== "copy") chosen.sound = form.get("sound");
    if (form.get("label")) chosen.label = form.get("label");
    return chosen;
  }

  // Each upload has a folder of its own, so that no later one changes the input of a run.
  let folder = "";
  const clipName = () => { const suffix = clip.name.match(/\.[^.]*$/)?.[0] || ""; return nameFrom(stem(clip.name)) + suffix.replace(FORBIDDEN, ""); };
  const paintingName = (file) => { const suffix = file.name.match(/\.[^.]*$/)?.[0] || ""; return nameFrom(stem(file.name)) + suffix.replace(FORBIDDEN, ""); };

  function newJob() {
    const base = nameFrom(stem(clip.name));
    folder = `${base}-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
    const files = [{ name: clipName(), data: clip, sent: [] }, ...paintings.map((file) => ({ name: paintingName(file), data: file, sent: [] }))];
    const runs = paintings.map((file) => ({
      name: paintings.length === 1 ? base : `${base} ${nameFrom(stem(file.name))}`, options: options(file),
    }));
    return { folder, files, runs, clip: clip.name };
  }

  async function start(job) {
    upload = new uploads.Upload(job, showUpload);
    $("#choose").hidden = true;
    $("#ready").hidden = false;
    $("#ready-title").textContent = "Uploading";
    $("#ready-name").textContent = job.clip;
    $("#options").disabled = true;
    $("#change").hidden = true;
    $("#bar").hidden = true;
    $("#upload").hidden = false;
    $("#upload-bar").max = Math.max(1, upload.total);
    showUpload(upload);
    try {
      const ids = await upload.run();
      location.href = ids.length === 1 ? `/ui/runs/${ids[0]}` : "/ui/runs";
    } catch (error) {
      if (error.name === "AbortError") return;
      $("#upload-line").textContent = error.message === "Connection lost" || error instanceof TypeError ? `Connection lost at ${megabytes(upload.sent)} MB.` : error.message;
      offerResume(job);
      announce("The upload stopped.");
    }
  }

  function offerResume(job) {
    const pause = $("#pause"), again = pause.cloneNode(false);
    again.textContent = "Resume";
    again.addEventListener("click", () => { again.replaceWith(pause); start(job); }, { once: true });
    pause.replaceWith(again);
  }

  function showUpload(current) {
    const left = (current.total - current.sent) / Math.max(1, current.bytesPerSecond);
    $("#upload-bar").value = current.sent;
    const texts = [`${megabytes(current.sent)} of ${megabytes(current.total)} MB`];
    if (current.sentNow) texts.push(`${megabytes(current.bytesPerSecond)} MB/s`, `${clock(left)} left`);
    texts.push("You can reload; the upload resumes.");
    $("#upload-line").replaceChildren(...texts.map((text, index) => {
      const part = document.createElement(index ? "span" : "b");
      part.textContent = text;
      return part;
    }));
    document.title = `${Math.floor((100 * current.sent) / Math.max(1, current.total))} % uploaded · Impasto`;
  }

  document.querySelectorAll('[name="strokes"]').forEach((radio) => radio.addEventListener("change", estimate));
  $("#clip").addEventListener("change", (event) => takeClip(event.target.files[0]));
  $("#paintings").addEventListener("change", (event) => takePaintings([...event.target.files]));
  $("#change").addEventListener("click", () => { clip = null; $("#clip").value = ""; show(); $("#clip").focus(); });
  $("#paint").addEventListener("submit", (event) => { event.preventDefault(); if (clip && paintings.length) start(newJob()); });
  $("#pause").addEventListener("click", (event) => {
    const on = !upload.paused;
    upload.pause(on);
    event.target.textContent = on ? "Resume" : "Pause";
    event.target.setAttribute("aria-pressed", String(on));
  });
  $("#stop").addEventListener("click", async () => { await upload?.stop(); location.reload(); });
  ["dragenter", "dragover"].forEach((name) => document.addEventListener(name, (event) => { event.preventDefault(); event.target.closest?.(".drop")?.classList.add("over"); }));
  ["dragleave", "drop"].forEach((name) => document.addEventListener(name, (event) => event.target.closest?.(".drop")?.classList.remove("over")));
  // A file that is dropped or pasted anywhere goes where it belongs.
  const sort = (files) => {
    const videos = files.filter((file) => !file.type.startsWith("image/"));
    if (videos.length) takeClip(videos[0]);
    const pictures = files.filter((file) => file.type.startsWith("image/"));
    if (pictures.length) takePaintings(pictures);
  };
  document.addEventListener("drop", (event) => { event.preventDefault(); if (!upload) sort([...event.dataTransfer.files]); });
  document.addEventListener("paste", (event) => { if (!upload && event.clipboardData.files.length) sort([...event.clipboardData.files]); });
  uploads.resumable().then((job) => { if (job) start(job); });
})();
