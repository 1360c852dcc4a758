// The start screen: a clip, paintings or samples, what they take, their preview, and their upload.
"use strict";
(() => {
  const { announce, previews, readClip, uploads } = window.impasto;
  const $ = (selector) => document.querySelector(selector);
  const MAX_PAINTINGS = 6, MAX_PAINTING_BYTES = 50 * 1024 ** 2, MAX_PREVIEW_BYTES = 4 * 1024 ** 3;
  const FORBIDDEN = /[\u0000-\u001f\u007f/\\'"`<>|?*:;&$%#{}]/g;
  const STRENGTHS = [0.4, 0.7, 1], STROKES = ["medium", "fine", "broad"], PREVIEW_FRAMES = 3;
  let clip = null, facts = null, paintings = [], upload = null, files = [];

  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;
  const nameFrom = (text) => text.replace(FORBIDDEN, "-").replace(/\.\./g, "-").replace(/\s+/g, " ").replace(/^[ .-]+|[ .-]+$/g, "").slice(0, 60) || "clip";
  const stem = (name) => name.replace(/\.[^.]*$/, "");

  function complain(id, text) {
    const line = $(id), said = document.createElement("span");
    said.textContent = text;
    line.replaceChildren(...(text ? [$("#warning-icon").content.cloneNode(true), said] : []));
    const drop = line.parentElement.querySelector(".drop");
    if (!drop) return;
    drop.classList.toggle("bad", Boolean(text));
    if (text) drop.querySelector(".act").textContent = id === "#clip-error" ? "Choose another clip" : "Choose another painting";
  }

  async function takeClip(file) {
    if (!file) return;
    if (!file.type.startsWith("video/") && !/\.(mp4|mov|mkv|webm|m4v|avi)$/i.test(file.name)) {
      complain("#clip-error", `${file.name} is not a video. Save it as MP4 and drop it again.`);
      $("#clip-name").textContent = file.name;
      $("#clip").focus();
      return;
    }
    complain("#clip-error", "");
    $("#clip-name").textContent = file.name;
    if (file !== clip) { folder = ""; files = []; previews.leave(); if (clip) uploads.forget(); }
    const read = await readClip(file, $("#poster"));
    [clip, facts] = [file, read];  // only now: a painting may have been dropped meanwhile
    $("#poster").hidden = !facts.playable;
    $("#ready-name").textContent = file.name;
    const texts = [facts.frames && `${facts.exact ? "" : "about "}${facts.frames.toLocaleString("en")} frames`];
    const rate = facts.exact && facts.seconds > 0 ? ` at ${Number((facts.frames / facts.seconds).toPrecision(4))} fps` : "";
    if (facts.playable) texts.push(`${facts.seconds.toFixed(1)} s${rate}`, `${facts.width} × ${facts.height}`);
    texts.push(`${megabytes(file.size)} MB`);
    if (facts.sound !== null) texts.push(facts.sound ? "with sound" : "no sound");
    $("#ready-facts").textContent = texts.filter(Boolean).join(" · ");
    show();
  }

  function takePaintings(files) {
    const error = paintings.length || clip ? "#list-error" : "#painting-error";
    complain(error, "");
    const before = paintings.length;
    for (const file of files) {
      if (!file.type.startsWith("image/") && !/\.(heic|heif|jpe?g|png|webp|tiff?)$/i.test(file.name)) complain(error, `${file.name} is not a picture. Save it as JPEG and drop it again.`);
      else if (file.size > MAX_PAINTING_BYTES) complain(error, `${file.name} is ${megabytes(file.size)} MB; the limit for a painting is 50 MB. Save it as JPEG and drop it again.`);
      else if (paintings.length >= MAX_PAINTINGS) complain(error, `At most ${MAX_PAINTINGS} paintings fit on one start. Start again for more.`);
      else if (!paintings.some((each) => each.name === file.name && each.size === file.size)) paintings.push(file);
    }
    const refused = paintings.length === before ? files[0]?.name : "";
    $("#painting-names").textContent = paintings.map((each) => each.name).join(", ") || refused || "Drop a painting";
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
    $("#offer").hidden = previews.isOn() || !paintings.length || upload !== null;
    bar();
    offer();
  }

  // What the button says and does: the picked looks, or each painting with the options of the form.
  function bar() {
    const go = $("#go"), isOn = previews.isOn(), count = isOn ? previews.picked().length : paintings.length;
    go.disabled = !count;
    if (!count) go.textContent = isOn ? "Pick a look first" : "Add a painting first";
    else if (!facts.frames) go.textContent = "Paint this clip";
    estimate(count);
  }

  let asked = "";
  function estimate(count) {
    const bar = $("#estimate");
    if (!count || !facts.frames) {
      asked = "";
      bar.textContent = count ? "The length is known once the clip is uploaded." : previews.isOn() ? "Pick a look to see what it takes." : "Add a painting to see what it takes.";
      return;
    }
    const query = new URLSearchParams({ frames: facts.frames, width: facts.width, height: facts.height, exact: facts.exact ? "1" : "0", paintings: previews.isOn() ? 1 : count });
    const form = new FormData($("#paint"));
    if (form.get("tune") === "yes") query.set("tune", "1");
    const strokes = previews.isOn() ? previews.picked().map((look) => look.strokes) : [form.get("strokes")];
    strokes.forEach((each) => query.append("strokes", each));
    if (asked === String(query)) return;
    asked = String(query);
    window.htmx.ajax("GET", `/ui/parts/estimate?${query}`, { source: "#estimate", target: "#estimate", swap: "innerHTML" });
  }

  let offered = "";
  function offer() {
    if ($("#offer").hidden) return;
    const query = String(new URLSearchParams({ width: facts.width, height: facts.height, paintings: paintings.length }));
    if (offered !== query) window.htmx.ajax("GET", `/ui/parts/offer?${query}`, { source: "#offer-facts", target: "#offer-facts", swap: "innerHTML" });
    offered = query;
  }

  // `look` is a look of the preview; without one, the form's options are taken.
  function options(style, look) {
    const form = new FormData($("#paint"));
    const strength = look ? look.strength : Number(form.get("strength")) / 100, strokes = look ? look.strokes : form.get("strokes");
    const chosen = { video: clipName(), style, input: folder };
    if (strength !== 1) chosen.strength = strength;
    if (form.get("smoothing") !== "70") chosen.temporal_smoothing = Number(form.get("smoothing")) / 100;
    if (strokes) chosen.strokes = strokes;
    if (form.get("tune") === "yes") chosen.tune = true;
    if (form.get("color") !== "no") chosen.preserve_color = form.get("color");
    if (form.get("sound") !== "copy") chosen.sound = form.get("sound");
    if (form.get("label")) chosen.label = form.get("label");
    return chosen;
  }

  // Each upload has a folder of its own, so that no later one changes the input of a run.
  let folder = "";
  const clipName = () => { const suffix = clip.name.match(/\.[^.]*$/)?.[0] || ""; return nameFrom(stem(clip.name)) + suffix.replace(FORBIDDEN, ""); };
  const paintingName = (file) => { const suffix = file.name.match(/\.[^.]*$/)?.[0] || ""; return nameFrom(stem(file.name)) + suffix.replace(FORBIDDEN, ""); };

  // The files of this start; what storage has of them already is not sent again.
  function newJob() {
    folder ||= `${nameFrom(stem(clip.name))}-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
    const wanted = [[clipName(), clip], ...paintings.map((file) => [paintingName(file), file])];
    files = wanted.map(([name, data]) => files.find((file) => file.name === name && file.data === data) || { name, data, sent: [], complete: false });
    return { folder, files, clip: clip.name, runs: [], preview: null };
  }

  function runsOf() {
    const base = nameFrom(stem(clip.name)), looks = previews.isOn() ? previews.picked() : [];
    if (!previews.isOn()) {
      return paintings.map((file) => ({ name: paintings.length === 1 ? base : `${base} ${nameFrom(stem(file.name))}`, options: options(paintingName(file)) }));
    }
    return looks.map((look) => ({
      name: looks.length === 1 ? base : `${base} ${nameFrom(stem(look.painting)).slice(0, 24)} ${Math.round(100 * look.strength)} ${look.strokes}`,
      options: options(look.painting, look),
    }));
  }

  function previewOf() {
    return {
      input: folder, clip: clipName(), paintings: paintings.map(paintingName), strengths: STRENGTHS, strokes: STROKES,
      preserve_color: new FormData($("#paint")).get("color"), frames: PREVIEW_FRAMES,
    };
  }

  function isUploading(on, title) {
    $("#ready-title").textContent = title;
    $("#options").disabled = on;
    $("#change").hidden = on;
    $("#bar").hidden = on;
    $("#upload").hidden = !on;
  }

  async function start(job) {
    upload = new uploads.Upload(job, showUpload);
    $("#choose").hidden = true;
    $("#ready").hidden = false;
    $("#ready-name").textContent = job.clip;
    isUploading(true, "Uploading");
    $("#upload-bar").max = Math.max(1, upload.total);
    showUpload(upload);
    try {
      if (job.preview) await startPreview(job);
      else {
        const ids = await upload.run();
        location.href = ids.length === 1 ? `/ui/runs/${ids[0]}` : "/ui/runs";
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      const isLost = error.message === "Connection lost" || error instanceof TypeError;
      if (job.preview && !isLost) { endPreview(error.message); return; }
      $("#upload-line").textContent = isLost ? `Connection lost at ${megabytes(upload.sent)} MB.` : error.message;
      offerResume(job);
      announce("The upload stopped.");
    }
  }

  async function startPreview(job) {
    // After a reload the preview is only shown again; a failed one is not ordered anew.
    job.previewId ||= await upload.preview();
    await upload.remember();
    endPreview("");
    previews.show(job.previewId);
    show();
  }

  function endPreview(error) {
    upload = null;
    isUploading(false, error ? "Ready to paint" : "Choose a look");
    complain("#preview-error", error);
    document.title = `${clip.name} · Impasto`;
    show();
    if (error) $("#preview").focus();
  }

  // After a reload: the files of an upload that was for a preview are those of the screen again.
  async function resume(job) {
    if (job.preview) {
      folder = job.folder;
      paintings = job.files.slice(1).map((file) => file.data);
      const kept = job.files;
      clip = kept[0].data;
      await takeClip(clip);
      files = kept;
      listPaintings();
    }
    await start(job);
  }

  async function takeSample(button) {
    try {
      const answer = await fetch(button.dataset.url);
      if (!answer.ok) throw new Error();
      const file = new File([await answer.blob()], button.dataset.name, { type: button.dataset.type });
      if (button.dataset.sample === "clip") await takeClip(file); else takePaintings([file]);
    } catch {
      complain("#sample-error", "The sample could not be loaded. Load the page again.");
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

  document.querySelectorAll('[name="strokes"], [name="tune"]').forEach((radio) => radio.addEventListener("change", bar));
  document.querySelectorAll('[name="color"]').forEach((radio) => radio.addEventListener("change", () => {
    if (!previews.isOn()) return;
    $("#preview span").textContent = "Preview again";
    $("#offer").hidden = false;
    offer();
  }));
  document.querySelectorAll("[data-sample]").forEach((button) => button.addEventListener("click", () => takeSample(button)));
  previews.onChange(() => {
    if (!clip) return;
    // What this browser could not read of the clip, the preview's task has read.
    if (!facts.exact && previews.isOn()) facts = { ...facts, ...previews.clipFacts() };
    bar();
  });
  $("#leave-previews").addEventListener("click", () => { previews.leave(); $("#ready-title").textContent = "Ready to paint"; show(); $("#ready-title").focus(); });
  document.addEventListener("click", (event) => { if (event.target.closest("[data-preview-again]")) $("#preview").click(); });
  $("#preview").addEventListener("click", () => {
    if (clip.size > MAX_PREVIEW_BYTES) {
      complain("#preview-error", `${clip.name} is ${megabytes(clip.size)} MB; the limit for a preview is ${megabytes(MAX_PREVIEW_BYTES)} MB. Preview it at home.`);
      return;
    }
    const job = newJob();
    job.preview = previewOf();
    start(job);
  });
  $("#clip").addEventListener("change", (event) => takeClip(event.target.files[0]));
  $("#paintings").addEventListener("change", (event) => takePaintings([...event.target.files]));
  $("#change").addEventListener("click", () => { clip = null; previews.leave(); uploads.forget(); $("#clip").value = ""; show(); $("#clip").focus(); });
  $("#paint").addEventListener("submit", (event) => { event.preventDefault(); if (!clip || $("#go").disabled) return; const job = newJob(); job.runs = runsOf(); start(job); });
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
  uploads.resumable().then((job) => { if (job) resume(job); });
})();
