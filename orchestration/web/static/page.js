// What HTML, CSS and htmx cannot do alone: the key, themes, dialogs, the selection, and two videos under one scrubber.
"use strict";
(() => {
  const KEY = "impasto-key";
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const announce = (text) => {
    const region = $("#say");
    if (!region) return;
    region.textContent = "";
    requestAnimationFrame(() => { region.textContent = text; });
  };
  const stored = (storage, name) => { try { return storage.getItem(name); } catch { return null; } };
  const store = (storage, name, value) => { try { storage.setItem(name, value); } catch { /* a private window */ } };

  const hasEntra = document.documentElement.dataset.signIn === "entra";
  window.impasto = {
    announce,
    problem,
    // Headers of every request for data. The key never becomes part of an address.
    // With Entra, App Service answers 401 to requests that say that a script makes them, instead of leading to a login.
    headers: () => {
      if (hasEntra) return { "X-Requested-With": "XMLHttpRequest" };
      const key = stored(sessionStorage, KEY);
      return key ? { "x-functions-key": key } : {};
    },
    signIn,
  };

  function signIn() {
    if ($("#key-form, #session-over")) return;
    const hadKey = Boolean(stored(sessionStorage, KEY));
    try { sessionStorage.removeItem(KEY); } catch { /* nothing is stored */ }
    const page = $("#sign-in").content.cloneNode(true);
    $$("body > :not(template)").forEach((element) => element.remove());
    document.body.className = "door";
    document.body.prepend(page);
    document.title = "Sign in · Impasto";
    if (hasEntra) {
      $("#sign-in-again").href = `/.auth/login/aad?post_login_redirect_uri=${encodeURIComponent(location.pathname)}`;
      $("#sign-in-again").focus();
      return;
    }
    if (hadKey) $("#key-error").textContent = "This key was not accepted.";
    $("#key").focus();
    $("#key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      store(sessionStorage, KEY, $("#key").value.trim());
      location.reload();
    });
  }

  /* requests */
  document.addEventListener("htmx:config:request", (event) => {
    Object.assign(event.detail.ctx.request.headers, window.impasto.headers());
  });
  document.addEventListener("htmx:before:response", (event) => {
    const status = event.detail.ctx.response.status;
    if (status === 401) { event.preventDefault(); signIn(); } else connection(status < 500 ? "" : "The app answered with an error; trying again.");
  });
  document.addEventListener("htmx:response:error", (event) => {
    const { ctx } = event.detail;
    const holder = document.createElement("template");
    holder.innerHTML = ctx.text || "";
    const text = holder.content.textContent.trim();
    const sentence = text || `The request failed (${ctx.response.status}).`;
    const inDialog = $("dialog[open] .error");  // the page behind a dialog is hidden from everybody
    if (ctx.request.method === "POST" && inDialog) inDialog.textContent = sentence; else if (ctx.request.method === "POST") problem(sentence); else if (ctx.response.status < 500) connection(sentence);
  });
  document.addEventListener("htmx:error", (event) => {
    if (event.detail.ctx) connection(hasEntra ? "No answer; trying again. If your session has ended, load the page again." : "Connection lost; trying again.");
  });
  function connection(text) {
    const line = $("#connection");
    if (!line || line.textContent === text) return;
    line.textContent = text;
    line.hidden = !text;
  }
  // Why something that was asked for was not done: it stays until it is closed, or until the next action.
  function problem(text) {
    const line = $("#problem");
    if (!line) return;
    line.firstElementChild.textContent = text;
    line.hidden = !text;
  }
  document.addEventListener("action-done", (event) => {
    announce(event.detail.say);
    problem(event.detail.problem);
  });
  // Nothing is asked for while the tab is in the background.
  document.addEventListener("htmx:before:request", (event) => {
    const trigger = event.target.getAttribute?.("hx-trigger") || "";
    if (document.hidden && trigger.startsWith("every")) event.preventDefault();
    if (event.target.id === "pictures" && isPicked) event.preventDefault();  // the reader looks at a frame
  });

  /* theme: system, light, dark */
  const THEMES = ["system", "light", "dark"];
  const themeButton = $("[data-theme-next]");
  const nameTheme = () => themeButton?.setAttribute("aria-label", `Theme: ${document.documentElement.dataset.theme || "system"}`);
  nameTheme();
  themeButton?.addEventListener("click", () => {
    const root = document.documentElement;
    const next = THEMES[(THEMES.indexOf(root.dataset.theme || "system") + 1) % THEMES.length];
    if (next === "system") delete root.dataset.theme; else root.dataset.theme = next;
    store(localStorage, "theme", next);
    nameTheme();
    announce(`Theme: ${next}`);
  });

  /* buttons that open and close dialogs, copy text, and pick frames */
  let opener = null;  // what gets the focus when a dialog closes: an element, or the id of one that may be drawn again
  document.addEventListener("close", (event) => {
    if (!event.target.matches("dialog")) return;
    (typeof opener === "string" ? document.getElementById(opener) : opener)?.focus();
    opener = null;
  }, true);
  document.addEventListener("click", async (event) => {
    const opens = event.target.closest("[data-opens]"), closes = event.target.closest("[data-closes]");
    const copies = event.target.closest("[data-copy]"), frame = event.target.closest(".frame-pick"), batch = event.target.closest(".batches .batch");
    if (opens) { opener = opens.dataset.returns || opens; $(opens.dataset.opens).showModal(); }
    if (closes) closes.closest("dialog").close();
    if (event.target.closest("[data-clears]")) problem("");
    if (frame) pickFrame(frame);
    if (batch) $$(".batches .batch").forEach((each) => each.setAttribute("aria-pressed", String(each === batch)));
    if (copies) {
      const source = $(copies.dataset.copy);
      try { await navigator.clipboard.writeText(source.textContent.trim()); } catch { getSelection().selectAllChildren(source); }
      copies.lastElementChild.textContent = "Copied";
      announce("Copied");
      setTimeout(() => { copies.lastElementChild.textContent = "Copy"; }, 1600);
    }
  });
  document.addEventListener("input", (event) => {
    const output = event.target.id && $(`output[for="${CSS.escape(event.target.id)}"]`);
    if (output) output.textContent = event.target.value + (output.dataset.unit || "");
  });

  /* one frame of a run without a video: the pairs that are there, or any frame by its links */
  let wanted = 0, isPicked = false;
  function showPair(number, before, after) {
    const holder = $("#pairs"), scrub = $("#frame-scrub");
    $('[data-pair="before"]', holder).src = before || after;
    $('[data-pair="after"]', holder).src = after || before;
    $("img-comparison-slider", holder).setAttribute("aria-label", `Frame ${number} before and after`);
    $$(".frame-pick", holder).forEach((each) => each.setAttribute("aria-pressed", String(Number(each.dataset.number) === number)));
    if (scrub) { scrub.value = number; nameFrame(scrub); }
  }
  function nameFrame(scrub) {
    const number = Number(scrub.value), fps = Number(scrub.dataset.fps);
    const text = `Frame ${number.toLocaleString("en")} of ${Number(scrub.max).toLocaleString("en")}`;
    const time = fps ? ((number - 1) / fps).toFixed(2) : "";
    $("#frame-says").textContent = time ? `${text} · ${time} s` : text;
    scrub.setAttribute("aria-valuetext", time ? `${text}, ${time} seconds` : text);
  }
  function pickFrame(button) {
    isPicked = true;
    wanted = Number(button.dataset.number);
    showPair(wanted, button.dataset.before, button.dataset.after);
    frameNote("");
  }
  function frameNote(text) { const note = $("#frame-note"); if (note && note.textContent !== text) note.textContent = text; }
  async function fetchFrame(scrub) {
    isPicked = true;
    const number = Number(scrub.value);
    wanted = number;
    nameFrame(scrub);
    await new Promise((resolve) => { setTimeout(resolve, 150); });  // while it is dragged, only the last one is fetched
    if (wanted !== number) return;
    let frame = null;
    try {
      const response = await fetch(`/ui/parts/frame/${scrub.dataset.run}?number=${number}`, { headers: window.impasto.headers() });
      if (response.status === 401) { signIn(); return; }
      frame = response.ok ? await response.json() : null;
    } catch { /* said below */ }
    if (wanted !== number) return;
    if (!frame || !(frame.before || frame.after)) { showNearest(number, Boolean(frame)); return; }
    showPair(number, frame.before, frame.after);
    frameNote(frame.after && frame.before ? "" : frame.after ? "The clip's own frame is not stored as a picture." : `Frame ${number} is not painted, or its picture is no longer stored; this is the clip.`);
  }
  function showNearest(number, isAnswered) {
    const picks = $$(".frame-pick");
    const nearest = picks.reduce((best, each) => (Math.abs(each.dataset.number - number) < Math.abs(best.dataset.number - number) ? each : best), picks[0]);
    showPair(Number(nearest.dataset.number), nearest.dataset.before, nearest.dataset.after);
    $("#frame-scrub").value = number;
    nameFrame($("#frame-scrub"));
    frameNote(isAnswered ? `Frame ${number} is not stored as a picture; this is frame ${nearest.dataset.number}.` : `Frame ${number} cannot be fetched now.`);
  }
  document.addEventListener("input", (event) => { if (event.target.id === "frame-scrub") fetchFrame(event.target); });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-frame-step]"), scrub = $("#frame-scrub");
    if (!button || !scrub) return;
    scrub.value = Number(scrub.value) + Number(button.dataset.frameStep);
    fetchFrame(scrub);
  });
  document.addEventListener("error", (event) => {
    if (event.target.matches?.("#pairs [data-pair]")) frameNote("This browser does not show the picture: its format is unknown to it, or it is no longer stored.");
  }, true);

  /* before and after: the slider has no ARIA of its own, and its own keys move nothing when pressed briefly */
  const KEYS = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -25, PageUp: 25, Home: -100, End: 100 };
  function describeSlider(slider) {
    const value = Math.round(slider.value ?? 50);
    slider.setAttribute("aria-valuenow", value);
    slider.setAttribute("aria-valuetext", `${100 - value} % painted`);
  }
  document.addEventListener("slide", (event) => {
    if (event.target.matches?.("img-comparison-slider")) describeSlider(event.target);
  }, true);
  document.addEventListener("keydown", (event) => {
    const slider = event.target;
    if (!slider.matches?.("img-comparison-slider") || !(event.key in KEYS)) return;
    event.preventDefault();
    slider.value = Math.min(100, Math.max(0, slider.value + KEYS[event.key]));
    describeSlider(slider);
  });

  /* keys of all screens */
  document.addEventListener("keydown", (event) => {
    if (event.target.matches?.("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/" && $("#find")) { event.preventDefault(); $("#find").focus(); }
    if (event.key === "?") $("#keys")?.showModal();
  });

  /* one run: title and announcements follow its progress */
  let quarter = 0;
  function followProgress() {
    const progress = $("#progress");
    if (!progress) return;
    document.title = progress.dataset.title;
    const share = Number(progress.dataset.frames) ? Number(progress.dataset.done) / Number(progress.dataset.frames) : 0;
    if (Math.floor(share * 4) > quarter) {
      quarter = Math.floor(share * 4);
      announce(`${quarter * 25} % painted`);
    }
  }

  /* one run: two videos under one scrubber, always at the same frame */
  function setUpPlayer() {
    const scrub = $("#scrub");
    if (!scrub || scrub.dataset.ready) return;
    scrub.dataset.ready = "true";
    const frames = Number(scrub.max), fps = Number(scrub.dataset.fps), views = $$("[data-view]");
    const visible = () => $$("[data-video]").filter((video) => !video.closest("[hidden]"));
    const current = () => Number(scrub.value);
    let playing = false;
    const show = (number, seek = true) => {
      const frame = Math.min(frames, Math.max(1, number));
      const text = `Frame ${frame.toLocaleString("en")} of ${frames.toLocaleString("en")}`, time = ((frame - 1) / fps).toFixed(2);
      scrub.value = frame;
      $("#frame-n").textContent = text;
      $("#frame-t").textContent = `${time} s`;
      scrub.setAttribute("aria-valuetext", `${text}, ${time} seconds`);
      if (seek) visible().forEach((video) => { video.currentTime = (frame - 0.5) / fps; });
    };
    const play = (on) => {
      playing = on;
      const button = $("#play");
      button.setAttribute("aria-label", on ? "Pause" : "Play");
      button.setAttribute("aria-pressed", String(on));
      visible().forEach((video) => { if (on) video.play().catch(() => {}); else video.pause(); });
      if (on) requestAnimationFrame(follow); else show(current());
    };
    // The painted video leads; the clip is put back in step when it is more than half a frame away.
    const follow = () => {
      const [clip, painted] = visible();
      if (!playing || !painted) return;
      if (painted.ended) { play(false); return; }
      if (Math.abs(clip.currentTime - painted.currentTime) > 1.5 / fps) clip.currentTime = painted.currentTime;
      show(Math.floor(painted.currentTime * fps) + 1, false);
      requestAnimationFrame(follow);
    };
    const step = (by) => { play(false); show(current() + by); };
    scrub.addEventListener("input", () => { play(false); show(current()); });
    $("#play").addEventListener("click", () => { if (!playing && current() >= frames) show(1); play(!playing); });
    $("#prev").addEventListener("click", () => step(-1));
    $("#next").addEventListener("click", () => step(1));
    $$('[name="view"]').forEach((radio) => radio.addEventListener("change", () => {
      play(false);
      views.forEach((view) => { view.hidden = view.dataset.view !== radio.value; });
      show(current());
    }));
    document.addEventListener("keydown", (event) => {
      if (event.target.matches("input, textarea, select, img-comparison-slider, button, summary, a") && event.target !== scrub) return;
      if (event.key === ",") step(-1);
      else if (event.key === ".") step(1);
      else if (event.key === " ") { event.preventDefault(); play(!playing); }
    });
    // A codec that this browser does not play: show the pairs of frames instead.
    $$("[data-video]").forEach((video) => {
      video.addEventListener("error", () => {
        $$("[data-view], .film, .controls").forEach((element) => { element.hidden = true; });
        const pairs = $("#pairs");
        if (pairs) pairs.hidden = false;
        announce("This browser does not play the clip; single frames are shown instead.");
      });
      video.addEventListener("loadedmetadata", () => show(current()));
    });
    show(current());
  }

  // A link to /ui/runs/ID#again opens the options of "Paint again with…".
  function openAsked() {
    const dialog = location.hash === "#again" && $("#ask-again");
    if (!dialog) return;
    history.replaceState(null, "", location.pathname);
    dialog.showModal();
  }

  document.addEventListener("htmx:after:swap", (event) => {
    followProgress();
    setUpPlayer();
    openAsked();
    const scrub = $("#frame-scrub");
    if (scrub && !isPicked) nameFrame(scrub);
    if (event.detail.ctx?.target?.id === "batch-detail") announce($("#batch-body h3").textContent);
  });
})();
