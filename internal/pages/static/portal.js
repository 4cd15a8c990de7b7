"use strict";
// Everything here is a help: without it every page does its work.
(() => {
  const all = (selector) => document.querySelectorAll(selector);
  const one = (selector) => document.querySelector(selector);
  const make = (parent, className, attributes) => {
    const p = parent.appendChild(document.createElement("p"));
    p.className = className;
    for (const [name, value] of Object.entries(attributes)) p.setAttribute(name, value);
    return p;
  };

  const summary = one("[data-focus]");
  if (summary) summary.focus();

  // Characters are code points, a line end is one: as the server counts.
  for (const field of all("[data-max]")) {
    const shown = make(field.parentNode, "counter", { "aria-hidden": "true" });
    const spoken = make(field.parentNode, "quiet", { role: "status" });
    let pause;
    const count = () => {
      const left = Number(field.dataset.max) - [...field.value.trim()].length;
      shown.textContent = (left < 0 ? field.dataset.over : field.dataset.left).replace("#", Math.abs(left).toLocaleString(document.documentElement.lang));
      shown.classList.toggle("over", left < 0);
    };
    field.addEventListener("input", () => {
      count();
      clearTimeout(pause);
      pause = setTimeout(() => { spoken.textContent = shown.textContent; }, 1000);
    });
    count();
  }

  const times = () => {
    const zone = new Intl.DateTimeFormat(document.documentElement.lang, {
      day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
    });
    for (const time of all("time")) time.textContent = zone.format(new Date(time.dateTime));
  };
  times();

  const say = (text) => { const said = one("#said"); said.textContent = ""; said.textContent = text; };
  for (const button of all("[data-copy]")) {
    const field = document.getElementById(button.dataset.copy);
    button.hidden = false;
    button.addEventListener("click", async () => {
      let done = false;
      try {
        await navigator.clipboard.writeText(field.value);
        done = true;
      } catch {
        field.focus();
        field.select();
        try { done = document.execCommand("copy"); } catch { done = false; }
      }
      say(done ? button.dataset.done : button.dataset.failed);
    });
  }
  for (const button of all("[data-share]")) {
    button.hidden = !navigator.share;
    button.addEventListener("click", () => {
      const url = document.getElementById(button.dataset.share).value;
      navigator.share({ title: button.dataset.title, url }).catch(() => {}); // the person closed it
    });
  }
  for (const button of all("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }

  // The tracking page looks for news: every half minute, and when it is come back to.
  if (one("#live") && one("#link")) {
    const look = async () => {
      if (document.hidden) return;
      try {
        const answer = await fetch(one("#link").value.replace(/^.*?(?=\/t\/)/, "") + location.search);
        if (!answer.ok) return;
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
        const live = one("#live");
        if (!fresh || fresh.dataset.version === live.dataset.version) return;
        live.replaceWith(fresh);
        times();
        one("#news").textContent = one("#news").dataset.news;
      } catch { /* no network: the next look may have one */ }
    };
    setInterval(look, 30000);
    addEventListener("focus", look);
  }
})();
