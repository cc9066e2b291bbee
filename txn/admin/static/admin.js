// Keeps #live up to date: fetches the page again and changes what is different. Pauses while nobody looks.
"use strict";

(() => {
  const region = document.getElementById("live");
  if (!region) return;
  const lost = document.getElementById("lost");
  const every = Number(region.dataset.live);
  // Opened while Redis was away: a banner stands here in place of a page, which may have parts outside of #live, or none.
  const standsIn = "away" in region.dataset;
  let seen = new Date();
  let timer = 0;

  // Nodes that stay the same stay: focus, selection and scrolling survive.
  function morph(old, fresh) {
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
      old.replaceWith(fresh);
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    for (const { name } of [...old.attributes]) {
      if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const before = [...old.childNodes];
    const after = [...fresh.childNodes];
    after.forEach((node, place) => (place < before.length ? morph(before[place], node) : old.append(node)));
    before.slice(after.length).forEach((node) => node.remove());
  }

  function tell(away) {
    lost.hidden = !away;
    if (away) document.getElementById("lost-since").textContent = seen.toLocaleTimeString();
  }

  async function refresh() {
    let page;
    try {
      const answer = await fetch(location.href, { headers: { "X-Live": "1" }, signal: AbortSignal.timeout(5000) });
      if (answer.redirected && new URL(answer.url).pathname.endsWith("/login")) {
        location.reload();
        return;
      }
      page = new DOMParser().parseFromString(await answer.text(), "text/html");
    } catch {
      page = null;
    }
    const fresh = page && page.getElementById("live");
    if (standsIn && page && page.getElementById("main") && !(fresh && "away" in fresh.dataset)) {
      location.reload();
      return;
    }
    if (fresh) {
      seen = new Date();
      document.title = page.title;
      morph(region, document.adoptNode(fresh));
    }
    tell(!fresh);
    // Forms beside it offer what can be done now. One that still can is left alone: somebody may be typing.
    for (const part of fresh ? document.querySelectorAll("[data-follows]") : []) {
      const now = page.getElementById(part.id);
      if (now && now.dataset.follows !== part.dataset.follows) part.replaceWith(document.adoptNode(now));
    }
    wait();
  }

  function wait() {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(refresh, every);
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) refresh();
  });
  wait();
})();

// A checkbox that ticks all others of a name in its form.
for (const all of document.querySelectorAll("[data-all]")) {
  all.addEventListener("change", () => {
    for (const one of all.form.querySelectorAll(`[name="${all.dataset.all}"]`)) one.checked = all.checked;
  });
}

// Relative times move, also where nothing is fetched. The server's clock counts: ours may be wrong.
(() => {
  const first = document.querySelector("time[data-now]");
  if (!first) return;
  const skew = Date.now() - Number(first.dataset.now);

  // As `span` in txn/readers/formats.py.
  function span(ms) {
    if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
    if (ms < 10000) return `${(ms / 1000).toFixed(1).replace(/\.0$/, "")} s`;
    for (const [limit, unit, name] of [[100e3, 1e3, "s"], [6e6, 6e4, "min"], [1728e5, 36e5, "h"]]) {
      if (ms < limit) return `${Math.floor(ms / unit)} ${name}`;
    }
    return `${Math.floor(ms / 864e5)} d`;
  }

  function move() {
    if (document.hidden) return;
    for (const time of document.querySelectorAll("time[data-now]")) {
      const age = Date.now() - skew - Date.parse(time.dateTime);
      const said = age >= 0 ? `${span(age)} ago` : `in ${span(-age)}`;
      if (Math.abs(age) >= 1000 && time.textContent !== said) time.textContent = said;
    }
  }
  setInterval(move, 1000);
})();

// A time is UTC; the reader's own is shown under the pointer.
document.addEventListener("mouseover", ({ target }) => {
  const time = target.closest?.("time[datetime]");
  if (!time || "local" in time.dataset) return;
  const moment = new Date(time.dateTime);
  if (Number.isNaN(moment.getTime())) return;
  time.dataset.local = "";
  time.title = [time.title, `${moment.toLocaleString()} here`].filter(Boolean).join(" · ");
});

// Copy buttons are there where they work.
if (navigator.clipboard) document.documentElement.classList.add("copies");
document.addEventListener("click", async ({ target }) => {
  const button = target.closest?.("button[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1500);
});
