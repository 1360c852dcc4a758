// The list of runs: the selection, its actions, the menu of a row, and downloads one after the other.
"use strict";
(() => {
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];
  const { announce, problem, headers } = window.impasto;
  const rowOf = (runId) => document.getElementById(`run-${runId}`);

  /* the selection */
  const picked = () => $$('#list input[name="run"]:checked');
  let counted = 0;
  function countPicked(isSpoken) {
    const count = picked().length;
    if (!$("#bulk")) return;  // the page asks for the key
    $("#bulk").hidden = !count;
    $("#bulk-n").textContent = `${count} selected`;
    const all = $("#all");
    if (all) all.indeterminate = count > 0 && !(all.checked = count === $$('#list input[name="run"]').length);
    if (isSpoken && count !== counted) announce(`${count} selected`);
    counted = count;
  }
  document.addEventListener("change", (event) => {
    if (event.target.id === "all") $$('#list input[name="run"]').forEach((box) => { box.checked = event.target.checked; });
    if (event.target.closest("#list")) countPicked(true);
    if (event.target.name === "density") applyDensity(event.target.value);
  });
  function clearSelection() {
    $$('#list input[type="checkbox"]').forEach((box) => { box.checked = false; });
    countPicked(true);
    $("#all")?.focus();
  }
  $("#bulk-clear").addEventListener("click", clearSelection);
  document.addEventListener("keydown", (event) => {
    const isElsewhere = $("dialog[open]") || menu.matches(":popover-open") || event.target.id === "find";
    if (event.key === "Escape" && !isElsewhere && picked().length) clearSelection();
  });

  /* downloads: the browser fetches each file by its own link, so that neither the app nor this page holds any of it */
  const PAUSE = 700;  // a browser drops a download that the next one overtakes before it has begun
  async function download(rows) {
    const found = rows.filter((row) => row.dataset.download);
    const missing = rows.length - found.length;
    for (const [index, row] of found.entries()) {
      announce(found.length > 1 ? `Download ${index + 1} of ${found.length}: ${row.dataset.name}` : `Download: ${row.dataset.name}`);
      const link = document.createElement("a");
      link.href = row.dataset.download;
      link.download = "";
      link.click();
      if (index + 1 < found.length) await new Promise((resolve) => { setTimeout(resolve, PAUSE); });
    }
    if (missing) problem(`${missing} of ${rows.length} selected runs ${missing === 1 ? "has" : "have"} nothing to download.`);
  }
  $("#bulk-download").addEventListener("click", () => download(picked().map((box) => box.closest("tr"))));

  /* rows as large or small; the number of rows is asked for again, so that older ones stay */
  function applyDensity(value) {
    document.body.classList.toggle("dense", value === "dense");
    try { localStorage.setItem("density", value); } catch { /* a private window */ }
  }
  let stored = null;
  try { stored = localStorage.getItem("density"); } catch { /* a private window */ }
  const density = $(`[name="density"][value="${stored === "dense" ? "dense" : "large"}"]`);
  density.checked = true;
  applyDensity(density.value);
  $("#filters").addEventListener("submit", (event) => event.preventDefault());
  for (const kind of ["input", "change"]) $("#filters").addEventListener(kind, () => { $("#shown").value = ""; }, true);

  /* one menu for all rows */
  const menu = $("#row-menu");
  let menuRun = "";
  const menuButton = () => document.getElementById(`menu-${menuRun}`);
  const items = () => $$('[role="menuitem"]', menu).filter((item) => !item.hidden);
  const markMenu = () => menuButton()?.setAttribute("aria-expanded", String(menu.matches(":popover-open")));
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-menu]");
    if (button) openMenu(button); else if (event.target.closest('[role="menuitem"]')) choose(event.target.closest('[role="menuitem"]'));
  });
  function openMenu(button) {
    const row = button.closest("tr"), actions = row.dataset.actions.split(" ");
    menuRun = button.dataset.menu;
    menu.setAttribute("aria-label", button.getAttribute("aria-label"));
    $("#menu-run").value = menuRun;
    $("[data-opens]", menu).dataset.returns = button.id;
    $("#menu-open").href = `/ui/runs/${menuRun}`;
    $("#menu-again").href = `/ui/runs/${menuRun}#again`;
    $("#menu-download").href = row.dataset.download || "#";
    $$("[data-for]", menu).forEach((item) => { item.hidden = !actions.includes(item.dataset.for); });
    menu.showPopover();
    const place = button.getBoundingClientRect(), isBelow = place.bottom + menu.offsetHeight <= innerHeight;
    menu.style.left = `${Math.max(8, place.right - menu.offsetWidth)}px`;
    menu.style.top = `${isBelow ? place.bottom : Math.max(8, place.top - menu.offsetHeight)}px`;
    items()[0].focus();
  }
  menu.addEventListener("toggle", (event) => {
    markMenu();
    if (event.newState === "closed" && (document.activeElement === document.body || menu.contains(document.activeElement))) menuButton()?.focus();
  });
  menu.addEventListener("keydown", (event) => {
    const all = items(), at = all.indexOf(document.activeElement);
    const next = { ArrowDown: (at + 1) % all.length, ArrowUp: (at - 1 + all.length) % all.length, Home: 0, End: all.length - 1 }[event.key];
    if (next !== undefined) { event.preventDefault(); all[next].focus(); }
    if (event.key === "Tab") { event.preventDefault(); menu.hidePopover(); }
    if (event.key === " " && event.target.matches("a")) { event.preventDefault(); event.target.click(); }
  });
  function choose(item) {
    menu.hidePopover();
    if (item.id === "menu-copy") copyCommand(menuRun);
    if (item.id === "menu-download") announce(`Download: ${rowOf(menuRun)?.dataset.name}`);
  }
  async function copyCommand(runId) {
    let text = "";
    try {
      const response = await fetch(`/ui/parts/command/${runId}`, { headers: headers() });
      text = response.ok ? await response.text() : "";
    } catch { /* the answer below says so */ }
    if (!text) { problem("The command of this run cannot be read now. Open the run, which says why."); return; }
    $("#menu-command").textContent = text;
    try { await navigator.clipboard.writeText(text); announce("Command copied"); } catch { $("#show-command").showModal(); }
  }

  document.addEventListener("htmx:after:swap", () => {
    countPicked(false);
    markMenu();
    if ($("#shown")) $("#shown").value = $$("#list tr[data-state]").length || "";
  });
})();
