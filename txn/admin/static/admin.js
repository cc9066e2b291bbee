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
