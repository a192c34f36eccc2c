/* In the page that `portal.py` measures: what a person waits for, by the page's own clock. */

globalThis.bench = (() => {
  const PATIENCE_MS = 300_000;
  const longest = { task: 0 };
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longest.task = Math.max(longest.task, duration);
  }).observe({ type: "longtask" });

  const frame = () => new Promise((go) => requestAnimationFrame(go));

  /** Milliseconds until something holds and was painted. */
  const until = async (holds) => {
    const begin = performance.now();
    while (!holds()) {
      if (performance.now() - begin > PATIENCE_MS) throw new Error("what was waited for did not come");
      await frame();
    }
    await frame();
    return performance.now() - begin;
  };

  const pressed = (name) => [...document.querySelectorAll("button")].find((one) => one.textContent === name).click();
  const number = (text) => Number((text ?? "").replace(/\D/g, ""));
  const sum = (selector) => [...document.querySelectorAll(selector)].reduce((all, one) => all + number(one.textContent), 0);

  /** From the press that unlocks to the overview that counts so many entries. */
  const overview = (button, entries) => {
    pressed(button);
    return until(() => sum(".counts strong") === entries);
  };

  /** From the press that unlocks to the category's entries, counted, and its charts, drawn. */
  const category = (button, entries, charts) => {
    pressed(button);
    const drawn = () => document.querySelectorAll(".drawn canvas").length === charts;
    return until(() => drawn() && number(document.querySelector("p.unseen[role=status]")?.textContent) === entries);
  };

  /** Milliseconds between frames, in order, while a chart is pulled to and fro, or nothing is done (`still`). */
  const frames = async (count, still) => {
    const over = document.querySelector(".drawn .u-over");
    const { left, top, width, height } = over.getBoundingClientRect();
    const found = [];
    const tell = (type, x) => {
      const where = { bubbles: true, clientX: left + x, clientY: top + height / 2, buttons: 1 };
      over.dispatchEvent(new PointerEvent(`pointer${type}`, where));
      over.dispatchEvent(new MouseEvent(`mouse${type}`, where));
    };
    if (!still) tell("down", width / 2);
    let last = await frame();
    for (let i = 0; i < count; i += 1) {
      if (!still) tell("move", width * (0.5 + 0.45 * Math.sin(i / 15)));
      const now = await frame();
      found.push(now - last);
      last = now;
    }
    if (!still) tell("up", width / 2);
    return found.sort((a, b) => a - b);
  };

  let chosen = { file: null, at: 0 };

  /** Note when a file is chosen. */
  const watch = (field) => {
    const note = () => {
      chosen = { file: field.files[0], at: performance.now() };
      longest.task = 0;
    };
    field.addEventListener("change", note, { capture: true });
  };

  /** From the file that was chosen, until all of it is read, sealed and taken by the hub; and the longest task meanwhile. */
  const imported = async () => {
    const busy = () => document.querySelector("progress, .sending") !== null;
    await until(() => document.querySelector(".notice.good, .notice.bad, .notice.warning") !== null && !busy());
    const failed = document.querySelector(".notice.bad, .notice.warning");
    return { took: performance.now() - chosen.at, longest: longest.task, failed: failed?.textContent ?? "" };
  };

  /** What libsodium and JSON.parse alone take, for so many envelopes of these lines: milliseconds. */
  const opening = async (script, envelopes, lines) => {
    const { keys, primitives } = (await import(script));
    const [sign, box, key] = [keys.SigningKey.generate(), keys.BoxKey.generate(), primitives.randomBytes(32)];
    const text = primitives.utf8(lines.join("\n"));
    const [nonce, digest] = [primitives.randomBytes(24), primitives.randomBytes(32)];
    const sealed = primitives.sealBox(primitives.randomBytes(64), box.public);
    const [data, signature] = [primitives.encrypt(key, nonce, digest, text), sign.sign(digest)];
    const begin = performance.now();
    for (let i = 0; i < envelopes; i += 1) {
      primitives.blake2b(data);
      primitives.verify(sign.public, digest, signature); // the author's
      primitives.verify(sign.public, digest, signature); // the hub's
      box.open(sealed);
      const opened = primitives.utf8Text(primitives.decrypt(key, nonce, digest, data), "fhir");
      for (const one of opened.split("\n")) JSON.parse(one);
    }
    return performance.now() - begin;
  };

  /** Milliseconds that the page takes to unpack a part of the chosen file and decode its text. */
  const unpacked = async (start, end) => {
    const begin = performance.now();
    const text = chosen.file.slice(start, end).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    const reader = text.pipeThrough(new TextDecoderStream()).getReader();
    let characters = 0;
    for (let part = await reader.read(); !part.done; part = await reader.read()) characters += part.value.length;
    return { took: performance.now() - begin, characters };
  };

  return { overview, category, frames, watch, imported, opening, unpacked };
})();
