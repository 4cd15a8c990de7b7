"use strict";
// The reviewer: lists the templates that the providers have and says what becomes of
// them. It polls while it is visible.
(() => {
  const $ = (id) => document.getElementById(id);
  const lists = {pending: $("waiting"), other: $("decided")};
  const shown = new Map(); // provider and id -> {json, element}
  let timer = 0;

  function say(text, error) {
    $("reviewer-status").textContent = text;
    $("reviewer-status").classList.toggle("error", Boolean(error));
  }

  function element(tag, className, text) {
    const e = document.createElement(tag);
    if (className) e.className = className;
    if (text !== undefined) e.textContent = text;
    return e;
  }

  async function judge(item, status, reason, card) {
    for (const b of card.querySelectorAll("button")) b.disabled = true;
    try {
      const answer = await fetch("/simulator/" + item.provider + "/templates/" + encodeURIComponent(item.id) + "/verdict", {
        method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({status, reason}),
      });
      const data = await answer.json();
      if (!answer.ok) throw new Error(data.detail || data.title);
      const told = data.status === null ? "No webhook is known: the next reading of the list will show it." :
        data.status === 200 ? "" : "The webhook answered " + data.status + ".";
      say((item.name + ": " + status + ". " + told).trim(), data.status !== null && data.status !== 200);
      await poll();
      const now = shown.get(key(item));
      if (now) now.element.focus();
    } catch (problem) {
      say("Not said: " + problem.message, true);
    }
    for (const b of card.querySelectorAll("button")) b.disabled = false;
  }

  const key = (item) => item.provider + " " + item.id;

  function draw(item) {
    const card = element("li", "template");
    card.tabIndex = -1;
    const head = element("h4", "", item.name);
    head.append(" ", element("span", "state " + (item.state === "pending" || item.state === "approved" ? item.state : "stopped"), item.state));
    card.append(head, element("p", "hint", [item.channel, item.language, item.category, item.type].join(" · ")), element("p", "said", item.body));
    if (item.buttons.length) card.append(element("p", "hint", "Buttons: " + item.buttons.join(", ")));
    if (item.reason) card.append(element("p", "hint", "Reason: " + item.reason));
    const row = element("div", "row");
    const label = element("label", "reason", "Reason ");
    const reason = element("input");
    reason.maxLength = 500;
    reason.autocomplete = "off";
    reason.placeholder = "INVALID_FORMAT";
    label.append(reason);
    for (const [status, title] of [["approved", "Approve"], ["rejected", "Reject"], ["paused", "Pause"]]) {
      if (status === item.state) continue;
      const b = element("button", "", title);
      b.type = "button";
      b.append(element("span", "hidden", " " + item.name + " in " + item.language));
      b.addEventListener("click", () => {
        const why = reason.value.trim() || (status === "rejected" ? reason.placeholder : "");
        judge(item, status, status === "approved" ? "" : why, card);
      });
      row.append(b);
    }
    card.append(label, row);
    return card;
  }

  // Keeps what did not change, so that focus and what is being written stay.
  function show(items) {
    const keys = new Set(items.map(key));
    for (const [k, old] of shown) {
      if (!keys.has(k)) {
        old.element.remove();
        shown.delete(k);
      }
    }
    for (const item of items) {
      const json = JSON.stringify(item);
      const old = shown.get(key(item));
      if (old && old.json === json) continue;
      if (old) old.element.remove();
      const e = draw(item);
      lists[item.state === "pending" ? "pending" : "other"].append(e);
      shown.set(key(item), {json, element: e});
    }
    $("none-waiting").hidden = lists.pending.children.length > 0;
    $("none-decided").hidden = lists.other.children.length > 0;
  }

  async function poll() {
    clearTimeout(timer);
    try {
      const answer = await fetch("/simulator/templates");
      const data = await answer.json();
      if (!answer.ok) throw new Error(data.detail || data.title);
      show(data.items);
      if ($("reviewer-status").dataset.lost) {
        delete $("reviewer-status").dataset.lost;
        say("");
      }
    } catch (problem) {
      $("reviewer-status").dataset.lost = "1";
      say("No answer: " + problem.message, true);
    }
    if (document.hidden) return;
    clearTimeout(timer);
    timer = setTimeout(poll, 2000);
  }

  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) poll();
  });
  poll();
})();
