// Uploads files in blocks straight to storage. What is sent is remembered, so that a reload goes on where it was.
"use strict";
(() => {
  const BLOCK_BYTES = 8 * 1024 * 1024, AT_ONCE = 4, ATTEMPTS = 5, STORE = "uploads", CURRENT = "current";

  // The browser's own database keeps the files themselves: after a reload nobody has to choose them again.
  function database() {
    return new Promise((resolve, reject) => {
      const opening = indexedDB.open("impasto", 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
  }
  async function inStore(mode, use) {
    const opened = await database();
    try {
      return await new Promise((resolve, reject) => {
        const request = use(opened.transaction(STORE, mode).objectStore(STORE));
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    } finally {
      opened.close();
    }
  }
  const save = (job) => inStore("readwrite", (store) => store.put(job, CURRENT)).catch(() => {});
  const forget = () => inStore("readwrite", (store) => store.delete(CURRENT)).catch(() => {});
  const resumable = () => inStore("readonly", (store) => store.get(CURRENT)).catch(() => undefined);

  // The app or storage says no: trying again does not help.
  class Refused extends Error {}

  async function post(path, body) {
    const response = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json", "HX-Request": "true", ...window.impasto.headers() }, body: JSON.stringify(body),
    });
    if (response.status === 401) window.impasto.signIn();
    if (response.ok) return response.json();
    const holder = document.createElement("template");
    holder.innerHTML = await response.text();
    throw new Refused(holder.content.textContent.trim() || `The app answered ${response.status}.`);
  }

  const blockId = (number) => btoa(String(number).padStart(8, "0"));
  const blockCount = (file) => Math.max(1, Math.ceil(file.size / BLOCK_BYTES));
  const withQuery = (url, query) => `${url}${url.includes("?") ? "&" : "?"}${query}`;

  class Upload {
    // `job`: { folder, files: [{ name, data, sent: [numbers of blocks], complete }], runs: [{ name, options }], preview }
    constructor(job, show) {
      this.job = job;
      this.show = show;
      this.paused = false;
      this.stopped = new AbortController();
      this.total = job.files.reduce((sum, file) => sum + file.data.size, 0);
      this.started = performance.now();
      this.sentNow = 0;
    }

    get sent() {
      return this.job.files.reduce((sum, file) => sum + file.sent.reduce((bytes, number) => bytes + this.blockSize(file, number), 0), 0);
    }

    blockSize(file, number) {
      return Math.min(BLOCK_BYTES, file.data.size - number * BLOCK_BYTES);
    }

    get bytesPerSecond() {
      return this.sentNow / Math.max(0.5, (performance.now() - this.started) / 1000);
    }

    pause(on) {
      this.paused = on;
      if (!on) { this.started = performance.now(); this.sentNow = 0; this.resume?.(); }
    }

    stop() {
      this.stopped.abort();
      return forget();
    }

    remember() {
      return save(this.job);
    }

    async grant() {
      const files = this.job.files.map((file) => ({ name: file.name, size: file.data.size }));
      const answer = await post("/ui/actions/upload", { name: this.job.folder, files });
      this.urls = Object.fromEntries(answer.files.map((file) => [file.name, file.url]));
    }

    // Send everything that is missing. A complete file is never written again: its preview would be another one.
    async send() {
      await save(this.job);
      const files = this.job.files.filter((file) => !file.complete);
      if (!files.length) return;
      await this.grant();
      const blocks = files.flatMap((file) => Array.from({ length: blockCount(file.data) }, (_, number) => ({ file, number })));
      const missing = blocks.filter(({ file, number }) => !file.sent.includes(number));
      await Promise.all(Array.from({ length: AT_ONCE }, () => this.worker(missing)));
      for (const file of files) {
        await this.commit(file);
        file.complete = true;
        await save(this.job);
      }
    }

    // Have a few frames painted in several looks; returns the id of the preview.
    async preview() {
      await this.send();
      return (await post("/ui/actions/preview", this.job.preview)).preview_id;
    }

    // Start the runs; returns their ids.
    async run() {
      await this.send();
      const ids = [];
      for (const run of this.job.runs) ids.push((await post("/ui/actions/start", run)).run_id);
      await forget();
      return ids;
    }

    async worker(missing) {
      for (let next = missing.shift(); next; next = missing.shift()) {
        while (this.paused) await new Promise((resolve) => { this.resume = resolve; });
        await this.sendBlock(next.file, next.number);
      }
    }

    async sendBlock(file, number) {
      const start = number * BLOCK_BYTES, body = file.data.slice(start, start + this.blockSize(file, number));
      await this.put(file, `comp=block&blockid=${encodeURIComponent(blockId(number))}`, body);
      file.sent.push(number);
      this.sentNow += body.size;
      this.show(this);
      await save(this.job);
    }

    commit(file) {
      const ids = Array.from({ length: blockCount(file.data) }, (_, number) => `<Latest>${blockId(number)}</Latest>`);
      const list = `<?xml version="1.0" encoding="utf-8"?><BlockList>${ids.join("")}</BlockList>`;
      return this.put(file, "comp=blocklist", list, { "x-ms-blob-content-type": file.data.type || "application/octet-stream" });
    }

    // An address that has expired is replaced; a connection that broke is tried again after a pause.
    async put(file, query, body, headers = {}) {
      for (let attempt = 1; ; attempt += 1) {
        try {
          const response = await fetch(withQuery(this.urls[file.name], query), { method: "PUT", body, headers, signal: this.stopped.signal });
          if (response.ok) return;
          if (response.status === 403 && attempt === 1) await this.grant();
          else if (response.status < 500 && response.status !== 429) throw new Refused(`Storage refused ${file.name} (${response.status})`);
        } catch (error) {
          if (error instanceof Refused || error.name === "AbortError" || attempt >= ATTEMPTS) throw error;
        }
        if (attempt >= ATTEMPTS) throw new Error("Connection lost");
        await new Promise((resolve) => { setTimeout(resolve, 500 * 2 ** attempt); });
      }
    }
  }

  window.impasto.uploads = { Upload, resumable, forget };
})();
