"use strict";
// The phone: shows the chat of a channel and a number, and sends what is written
// or tapped. It polls while it is visible.
(() => {
  const $ = (id) => document.getElementById(id);
  const chat = $("chat");
  const shown = new Map(); // seq -> {json, element}
  let generation = 0; // of the chosen chat: answers to another one are dropped
  let timer = 0;

  const number = () => $("person").value || $("number").value.trim();
  const name = () => $("person").value ? $("person").selectedOptions[0].dataset.name || "" : $("name").value.trim();
  const path = (what) => "/simulator/" + encodeURIComponent($("channel").value) + "/" + what;
  const valid = () => /^[1-9][0-9]{4,14}$/.test(number());

  function say(text, error) {
    $("status").textContent = text;
    $("status").classList.toggle("error", Boolean(error));
  }

  async function call(address, body) {
    const answer = await fetch(address, body === undefined ? {} : {
      method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body),
    });
    const data = answer.status === 204 ? null : await answer.json();
    if (!answer.ok) {
      const errors = (data.errors || []).map((e) => e.field + ": " + e.detail);
      throw new Error([data.detail || data.title].concat(errors).join(" "));
    }
    return data;
  }

  function element(tag, className, text) {
    const e = document.createElement(tag);
    if (className) e.className = className;
    if (text !== undefined) e.textContent = text;
    return e;
  }

  function anchor(address, text, className) {
    const a = element("a", className, text);
    a.href = address;
    a.target = "_blank";
    a.rel = "noopener noreferrer";
    a.append(element("span", "hidden", " (opens in a new tab)"));
    return a;
  }

  const isLink = (s) => /^https?:\/\//.test(s);

  // Text as WhatsApp shows it: links can be clicked, *words* are bold.
  function rich(parent, text) {
    for (const part of text.split(/(https?:\/\/[^\s<>"]+)/)) {
      if (isLink(part)) {
        parent.append(anchor(part, part));
        continue;
      }
      part.split(/(?<!\S)\*([^*\n]+)\*(?!\w)/).forEach((piece, i) => {
        parent.append(i % 2 ? element("strong", "", piece) : piece);
      });
    }
  }

  function tap(choice) {
    if (choice.link) return anchor(choice.link, choice.title, "tap");
    const b = element("button", "tap", choice.title);
    b.type = "button";
    b.addEventListener("click", () => send({type: choice.type, text: choice.title, reply_id: choice.reply_id}));
    return b;
  }

  function open(item) {
    $("sheet-title").textContent = item.button;
    $("rows").replaceChildren(...item.rows.flatMap((row) => {
      const li = element("li");
      const b = element("button", "", row.title);
      b.type = "button";
      if (row.description) b.append(element("span", "", row.description));
      b.addEventListener("click", () => {
        $("sheet").close();
        send({type: row.type, text: row.title, reply_id: row.reply_id});
      });
      li.append(b);
      return row.section ? [element("li", "section", row.section), li] : [li];
    }));
    $("sheet").showModal();
  }

  function draw(item) {
    const e = element("div", item.mine ? "bubble mine" : "bubble");
    e.append(element("span", "hidden", item.mine ? "You: " : "Buzón: "));
    if (item.header) e.append(element("p", "", item.header));
    if (item.media) e.append(element("p", "", "[" + item.media + "]"));
    if (item.link && isLink(item.link)) {
      const p = element("p");
      p.append(anchor(item.link, item.link));
      e.append(p);
    }
    if (item.text) {
      const p = element("p");
      rich(p, item.text);
      e.append(p);
    }
    if (item.footer) e.append(element("p", "foot", item.footer));
    if (item.rows) {
      const b = element("button", "tap", "☰ " + (item.button || "…"));
      b.type = "button";
      b.setAttribute("aria-haspopup", "dialog");
      b.addEventListener("click", () => open(item));
      e.append(b);
    }
    for (const choice of item.buttons || []) e.append(tap(choice));
    if (item.problem) e.append(element("p", "problem", item.problem));
    const at = element("time", "", new Date(item.at).toLocaleTimeString());
    at.dateTime = item.at;
    const p = element("p", "at");
    p.append(at);
    e.append(p);
    return e;
  }

  // Keeps what did not change, so that focus and the place of reading stay.
  function show(items) {
    const down = chat.scrollHeight - chat.scrollTop - chat.clientHeight < 40;
    const seqs = new Set(items.map((i) => i.seq));
    for (const [seq, old] of shown) {
      if (!seqs.has(seq)) {
        old.element.remove();
        shown.delete(seq);
      }
    }
    let fresh = false;
    for (const item of items) {
      const json = JSON.stringify(item);
      const old = shown.get(item.seq);
      if (old && old.json === json) continue;
      const e = draw(item);
      if (old) old.element.replaceWith(e);
      else {
        chat.append(e);
        fresh = true;
      }
      shown.set(item.seq, {json, element: e});
    }
    $("empty").hidden = items.length > 0;
    if (fresh && down) chat.scrollTop = chat.scrollHeight;
    return fresh && items.some((i) => !i.mine);
  }

  async function poll() {
    clearTimeout(timer);
    const mine = generation;
    try {
      if (valid()) {
        const data = await call(path("chat") + "?number=" + number());
        if (mine !== generation) return;
        if (show(data.items)) await call(path("seen"), {number: number()});
      }
      const clock = await call("/simulator/clock");
      $("now").textContent = new Date(clock.now).toLocaleString();
      $("now").dateTime = clock.now;
      if ($("status").dataset.lost) {
        delete $("status").dataset.lost;
        say("");
      }
    } catch (problem) {
      $("status").dataset.lost = "1";
      say("No answer: " + problem.message, true);
    }
    if (mine !== generation || document.hidden) return;
    clearTimeout(timer);
    timer = setTimeout(poll, 1000);
  }

  async function send(message) {
    if (!valid()) {
      say("Enter a number of 5 to 15 digits first.", true);
      $("number").focus();
      return false;
    }
    try {
      const answer = await call(path("messages"), Object.assign({from: number(), name: name()}, message));
      say(refused(answer.status), answer.status !== 200);
      chat.scrollTop = chat.scrollHeight;
      generation++;
      poll();
      return true;
    } catch (problem) {
      say("Not sent: " + problem.message, true);
      return false;
    }
  }

  function refused(status) {
    if (status === 200) return "";
    if (status === 404) return "The webhook answered 404: this channel was deleted, or its address was given a new secret, which the simulator does not know.";
    return "The webhook answered " + status + ".";
  }

  function choose() {
    generation++;
    for (const field of document.querySelectorAll(".own")) field.hidden = Boolean($("person").value);
    $("who").textContent = $("channel").selectedOptions[0].textContent.trim();
    for (const old of shown.values()) old.element.remove();
    shown.clear();
    $("empty").hidden = true;
    say("");
    poll();
  }

  $("compose").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = $("write").value;
    if (!text.trim()) return;
    $("write").value = "";
    if (!await send({type: "text", text})) $("write").value = text;
    $("write").focus();
  });
  $("setup").addEventListener("submit", (event) => event.preventDefault());
  $("setup").addEventListener("change", choose);
  $("close").addEventListener("click", () => $("sheet").close());
  for (const b of document.querySelectorAll("[data-advance]")) {
    b.addEventListener("click", async () => {
      b.disabled = true;
      try {
        await call("/simulator/clock", {advance: b.dataset.advance});
        say("");
        generation++;
        poll();
      } catch (problem) {
        say("The clock did not move: " + problem.message, true);
      }
      b.disabled = false;
    });
  }
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) poll();
  });
  choose();
})();
