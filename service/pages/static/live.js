// Keeps pages up to date. They work without it: every form is a form and every page can be loaded again.
"use strict";

// Times in the reader's own zone; the title keeps UTC.
function localise(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    const at = new Date(time.dateTime);
    time.title = time.textContent;
    time.textContent = at.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  }
}

// <section data-live="URL"> shows what the URL answers, and is loaded again when data-events says
// something new, or every data-every seconds. A reader's focus and open details are left alone.
function enliven(section) {
  let isWaiting = false, isLate = false;
  async function load() {
    if (isWaiting) { isLate = true; return; }
    isWaiting = true;
    try {
      const answer = await fetch(section.dataset.live, { headers: { Accept: "text/html" } });
      if (answer.redirected || answer.status === 401) { location.reload(); return; }
      if (answer.ok && !section.contains(document.activeElement)) {
        const open = [...section.querySelectorAll("details")].map((each) => each.open);
        section.innerHTML = await answer.text();
        section.querySelectorAll("details").forEach((each, at) => { if (at in open) each.open = open[at]; });
        localise(section);
      }
    } catch (error) {
      // The service is away for a moment; the next round tries again.
    }
    setTimeout(() => { isWaiting = false; if (isLate) { isLate = false; load(); } }, 1000);
  }
  if (section.dataset.events) {
    const events = new EventSource(section.dataset.events);
    for (const kind of (section.dataset.kinds || "message").split(" ")) events.addEventListener(kind, load);
    events.addEventListener("state", (event) => {
      if (["done", "failed", "cancelled"].includes(JSON.parse(event.data).payload.state)) events.close();
    });
  }
  if (section.dataset.every) setInterval(() => { if (!document.hidden) load(); }, 1000 * section.dataset.every);
}

document.addEventListener("DOMContentLoaded", () => {
  localise(document);
  document.querySelectorAll("[data-live]").forEach(enliven);
});
