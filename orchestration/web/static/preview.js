// The sheet of looks on the start screen: which of them are picked, and the one that is shown large beside the clip.
"use strict";
(() => {
  const { announce } = window.impasto;
  const $ = (selector) => document.querySelector(selector);
  const cells = () => [...document.querySelectorAll("#sheet .cell input")];
  const urls = (text) => (text || "").split(" ").filter(Boolean);
  let changed = () => {}, shown = null, wasOpen = false, quarter = 0, chosen = false;

  const picked = () => cells().filter((cell) => cell.checked).map((cell) => ({
    painting: cell.dataset.painting, strength: Number(cell.dataset.strength), strokes: cell.dataset.strokes,
    title: cell.dataset.title, how: cell.dataset.how,
  }));

  function count() {
    document.querySelectorAll("[data-chosen]").forEach((holder) => {
      const number = cells().filter((cell) => cell.checked && cell.dataset.strokes === holder.dataset.chosen).length;
      holder.textContent = number || "";
      holder.toggleAttribute("data-some", number > 0);
    });
    changed();
  }

  // One look beside the clip, in one of its frames.
  function showLarge(cell) {
    const originals = urls($("#sheet").dataset.originals), pictures = urls(cell?.dataset.pictures);
    if (!pictures.length || !originals.length) return;
    shown = cell.id;
    const frame = $("#frame");
    frame.max = pictures.length;
    if (Number(frame.value) > pictures.length) frame.value = pictures.length;
    document.querySelector('output[for="frame"]').textContent = frame.value;
    $('#look [data-pair="before"]').src = originals[frame.value - 1];
    $('#look [data-pair="after"]').src = pictures[frame.value - 1];
    $("#look .compare").setAttribute("aria-label", `${cell.dataset.title}, ${cell.dataset.how}: before and after`);
    $("#look-name").textContent = cell.dataset.title;
    $("#look-how").textContent = cell.dataset.how;
    $("#look").hidden = false;
    $("#poster").hidden = true;
    $("#poster").pause();
  }

  // The first full look is picked as soon as it is painted, unless somebody was faster.
  function follow() {
    const sheet = $("#sheet");
    if (!sheet?.dataset.preview) return;
    const open = sheet.dataset.open === "yes";
    if (!chosen) {
      const first = cells().find((cell) => cell.dataset.strokes === "medium" && cell.dataset.strength === "1.0" && !cell.disabled);
      if (first) { chosen = true; first.checked = true; showLarge(first); }
    }
    const now = Math.floor((4 * Number(sheet.dataset.done)) / Number(sheet.dataset.total));
    if (wasOpen && (!open || now > quarter)) announce(sheet.dataset.state);
    [wasOpen, quarter] = [open, now];
    count();
  }

  function show(id) {
    $("#plain").hidden = true;
    $("#previews").hidden = false;
    document.querySelectorAll("[data-look-option]").forEach((field) => { field.hidden = true; });
    $("#from-looks").hidden = false;
    if ($("#sheet").dataset.preview !== id) { chosen = false; shown = null; }
    [wasOpen, quarter] = [true, 0];
    window.htmx.ajax("GET", `/ui/parts/preview/${id}`, { source: "#sheet", target: "#sheet", swap: "outerMorph" });
    $("#previews-h").focus();
  }

  function leave() {
    $("#plain").hidden = false;
    $("#previews").hidden = true;
    $("#look").hidden = true;
    document.querySelectorAll("[data-look-option]").forEach((field) => { field.hidden = false; });
    $("#from-looks").hidden = true;
    cells().forEach((cell) => { cell.checked = false; });
    count();
  }

  // What the node has read of the clip; null until the preview is finished.
  function clipFacts() {
    const { frames, width, height } = $("#sheet").dataset;
    return frames ? { frames: Number(frames), width: Number(width), height: Number(height) } : null;
  }

  document.addEventListener("htmx:after:swap", follow);
  document.addEventListener("change", (event) => {
    if (!event.target.matches(".cell input")) return;
    chosen = true;
    if (event.target.checked) showLarge(event.target);
    count();
  });
  $("#frame").addEventListener("input", () => showLarge(document.getElementById(shown)));
  // Arrows walk the sheet as a grid; Space picks.
  document.addEventListener("keydown", (event) => {
    if (!event.target.matches?.(".cell input")) return;
    const columns = event.target.closest(".cells").children.length;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (!step) return;
    event.preventDefault();
    const visible = cells().filter((cell) => !cell.disabled && cell.offsetParent);
    const to = visible[visible.indexOf(event.target) + step];
    if (to) { to.focus(); showLarge(to); }
  });

  window.impasto.previews = { show, leave, picked, clipFacts, isOn: () => !$("#previews").hidden, onChange: (callback) => { changed = callback; } };
})();
