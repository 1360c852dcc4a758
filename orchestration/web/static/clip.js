// How many frames a clip has, and whether it has sound: exactly for MP4 and MOV, whose index says so; otherwise the number
// of frames follows from its length.
"use strict";
(() => {
  const GUESSED_RATE = 30;

  async function readBytes(file, start, length) {
    return new DataView(await file.slice(start, start + length).arrayBuffer());
  }
  const nameAt = (view, at) => String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));

  // Yield the boxes of an ISO base media file between two offsets: name, start of the content, end.
  function* boxes(view, start, end) {
    for (let at = start; at + 8 <= end;) {
      let size = view.getUint32(at), header = 8;
      if (size === 1 && at + 16 <= end) { size = Number(view.getBigUint64(at + 8)); header = 16; }
      if (size === 0) size = end - at;
      if (size < header) return;
      yield { name: nameAt(view, at + 4), from: at + header, to: Math.min(end, at + size) };
      at += size;
    }
  }

  async function findIndex(file) {
    for (let at = 0; at + 8 <= file.size;) {
      const head = await readBytes(file, at, 16);
      let size = head.getUint32(0);
      if (size === 1 && head.byteLength >= 16) size = Number(head.getBigUint64(8));
      if (nameAt(head, 4) === "moov" && size < 2 ** 28) return readBytes(file, at, size);
      if (size < 8) return null;
      at += size;
    }
    return null;
  }

  function child(view, box, name) {
    for (const each of boxes(view, box.from, box.to)) if (each.name === name) return each;
    return null;
  }

  // Frames of the first video track (the sum of the counts in its table of durations, stts), and whether there is sound.
  async function readIndex(file) {
    const found = { frames: null, sound: null }, view = await findIndex(file).catch(() => null);
    if (!view) return found;
    found.sound = false;
    for (const track of boxes(view, 8, view.byteLength)) {
      const media = track.name === "trak" && child(view, track, "mdia"), handler = media && child(view, media, "hdlr");
      const kind = handler ? nameAt(view, handler.from + 8) : "";
      if (kind === "soun") found.sound = true;
      if (kind !== "vide" || found.frames !== null) continue;
      const table = ["minf", "stbl", "stts"].reduce((box, name) => box && child(view, box, name), media);
      let frames = 0;
      for (let entry = 0; table && entry < view.getUint32(table.from + 4); entry += 1) frames += view.getUint32(table.from + 8 + 8 * entry);
      found.frames = frames || null;
    }
    return found;
  }

  // What the page says of a clip; `playable` is false for a codec that this browser does not know.
  window.impasto.readClip = async (file, video) => {
    const url = URL.createObjectURL(file);
    const loaded = new Promise((resolve) => {
      video.onloadedmetadata = () => resolve(true);
      video.onerror = () => resolve(false);
    });
    video.src = url;
    const playable = await loaded, { frames: counted, sound } = await readIndex(file);
    const seconds = playable ? video.duration : 0;
    const guessed = Number.isFinite(seconds) && seconds > 0 ? Math.max(1, Math.round(seconds * GUESSED_RATE)) : null;
    return {
      playable, seconds, frames: counted ?? guessed, exact: counted !== null, sound,
      width: video.videoWidth || 1920, height: video.videoHeight || 1080,
    };
  };
})();
