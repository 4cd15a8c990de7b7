// Looks at the public pages in a real Chromium. Argument or BUZON_PAGES: JSON
// {base, forms: {es: [link…], en: […], pt: […]}, expired: link, states: {closed: link, …}, shots: folder or ""}
// Prints a JSON line for each check, {check, ok, detail}; exits 1 if one failed.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const input = JSON.parse(process.argv[2] || process.env.BUZON_PAGES);
const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const languages = ["es", "en", "pt"];
const words = {
  es: { send: "Crear caso", add: "Añadir al caso", problem: "Hay un problema", created: "Caso creado", copied: "El enlace está copiado", failed: "No se pudo copiar", left: "Caracteres disponibles: " },
  en: { send: "Create case", add: "Add to the case", problem: "There is a problem", created: "Case created", copied: "The link is copied", failed: "It could not be copied", left: "Characters left: " },
  pt: { send: "Criar caso", add: "Acrescentar ao caso", problem: "Há um problema", created: "Caso criado", copied: "O link foi copiado", failed: "Não foi possível copiar", left: "Caracteres disponíveis: " },
};
const maxWeight = 50 * 1024;

let failed = 0;
const report = (check, problems) => {
  const list = [].concat(problems).filter(Boolean);
  if (list.length > 0) failed++;
  console.log(JSON.stringify({ check, ok: list.length === 0, detail: list.slice(0, 10) }));
};
const form = (lang) => {
  const link = input.forms[lang].pop();
  if (!link) throw new Error(`no form left in ${lang}`);
  return link;
};

// Nothing waits for ever: a call into a page that hangs has no time-out of its own.
setTimeout(() => {
  console.error("not done after eight minutes");
  process.exit(1);
}, 8 * 60_000).unref();

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

// open gives a page that notes what a good page never does.
const open = async (options = {}) => {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const seen = { console: [], foreign: [], bytes: 0 };
  page.on("console", (m) => {
    const ownStatus = m.location().url === page.url() || /status of 4\d\d/.test(m.text());
    if (m.type() === "error" && !ownStatus) seen.console.push(m.text());
  });
  page.on("pageerror", (e) => seen.console.push(String(e)));
  page.on("request", (r) => { if (!r.url().startsWith(input.base)) seen.foreign.push(r.url()); });
  page.on("response", async (r) => {
    try { seen.bytes += (await r.body()).length; } catch { /* a redirect has no body */ }
  });
  return { context, page, seen };
};

const axe = async (page) => {
  await page.evaluate(axeSource);
  const result = await page.evaluate((values) => window.axe.run(document, { runOnly: { type: "tag", values } }), rules);
  return result.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(", ")}`);
};

// What axe does not look at: width, size of targets and of text in fields, names.
const shape = (page) => page.evaluate(() => {
  const wrong = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) wrong.push(`scrolls sideways: ${root.scrollWidth} > ${root.clientWidth}`);
  for (const el of document.querySelectorAll("a[href], button, input:not([type=hidden]), textarea, summary, [tabindex='0']")) {
    if (el.closest("[aria-hidden=true]") || el.hidden || el.classList.contains("skip")) continue;
    const box = el.getBoundingClientRect();
    const name = el.id || el.textContent.trim().slice(0, 30);
    if (box.width < 24 || box.height < 24) wrong.push(`target of ${box.width}×${box.height}: ${name}`);
    if (el.matches("button, input, textarea, nav a, a.secondary") && box.height < 43.9) wrong.push(`low target of ${box.height}: ${name}`);
    if (el.matches("input, textarea") && parseFloat(getComputedStyle(el).fontSize) < 16) wrong.push(`small text in ${name}`);
  }
  return wrong;
});

const audit = async (check, { page, seen }, more = []) => {
  await page.waitForLoadState("load");
  const weight = seen.bytes > maxWeight ? [`${seen.bytes} bytes, at most ${maxWeight}`] : [];
  report(check, [...more, ...(await axe(page)), ...(await shape(page)), ...seen.console.map((c) => `console: ${c}`), ...seen.foreign.map((u) => `request to ${u}`), ...weight]);
  seen.bytes = 0;
};

const shot = async (page, name) => {
  if (input.shots) await page.screenshot({ path: `${input.shots}/${name}.png`, fullPage: true });
};

const fill = async (page, title, description) => {
  await page.fill("#title", title);
  await page.fill("#description", description);
};

const expect = (condition, text) => (condition ? "" : text);

// Every page, in every language, scheme and width.
for (const lang of languages) {
  const made = await open();
  await made.page.goto(form(lang));
  const used = made.page.url();
  await fill(made.page, "Farola apagada <b>", "No enciende desde el lunes.\n" + "Una-palabra-muy-larga".repeat(12));
  await made.page.fill("#contact", "ana@example.com");
  await made.page.click("form .primary");
  const tracking = made.page.url().replace(/\?.*/, "");
  await made.page.fill("#text", "Sigue igual.");
  await made.page.click("#add .primary");
  await made.context.close();
  const fresh = form(lang);
  for (const colorScheme of ["light", "dark"]) {
    for (const width of [320, 768, 1280]) {
      const name = `${lang}-${colorScheme}-${width}`;
      const look = await open({ viewport: { width, height: 800 }, colorScheme, locale: lang });
      const views = {
        form: () => look.page.goto(fresh),
        problems: async () => {
          await look.page.goto(fresh);
          await look.page.fill("#contact", "x".repeat(201));
          await look.page.click("form .primary");
        },
        used: () => look.page.goto(used),
        created: () => look.page.goto(tracking + "?created=1"),
        tracking: () => look.page.goto(tracking),
        closed: () => look.page.goto(input.states.closed + "?lang=" + lang),
        waiting: () => look.page.goto(input.states.waiting + "?lang=" + lang),
        "refused-message": async () => {
          await look.page.goto(tracking);
          await look.page.click("#add .primary");
        },
        "409": async () => {
          await look.page.goto(tracking);
          await look.page.fill("#text", "Tarde");
          await look.page.evaluate((to) => { document.getElementById("add").action = to; }, input.states.closed + "/messages?lang=" + lang);
          await look.page.click("#add .primary");
        },
        "404": () => look.page.goto(input.base + "/t/demo-x?lang=" + lang),
        "410": () => look.page.goto(input.expired + "?lang=" + lang),
        "405": () => look.page.goto(tracking + "/messages?lang=" + lang),
      };
      for (const [view, go] of Object.entries(views)) {
        look.seen.bytes = 0;
        await go();
        const shown = await look.page.getAttribute("html", "lang");
        await audit(`${view} ${name}`, look, [expect(shown === lang, `lang is ${shown}`)]);
        await shot(look.page, `${view}-${name}`);
      }
      await look.context.close();
    }
  }
}

// The whole flow without JavaScript.
for (const lang of languages) {
  const { context, page } = await open({ javaScriptEnabled: false, viewport: { width: 320, height: 700 } });
  const wrong = [];
  await page.goto(form(lang));
  const other = lang === "en" ? "pt" : "en";
  await fill(page, "Título a medias", "");
  await page.click(`nav button[value=${other}]`);
  wrong.push(expect((await page.inputValue("#title")) === "Título a medias", "the switch of language lost the title"));
  wrong.push(expect((await page.getAttribute("html", "lang")) === other, "the language did not change"));
  await page.click(`nav button[value=${lang}]`);
  await page.press("#title", "Enter"); // the button that creates, not one that switches
  wrong.push(expect((await page.textContent(".summary h2")) === words[lang].problem, "no summary"));
  wrong.push(expect((await page.title()).startsWith(lang === "pt" ? "Erro:" : "Error:"), "no Error: before the title"));
  wrong.push(expect((await page.inputValue("#title")) === "Título a medias", "the title was lost"));
  await page.click('.summary a[href="#description"]');
  await page.keyboard.type("Escrito sin JavaScript");
  await page.click("form .primary");
  wrong.push(expect((await page.textContent("h1")) === words[lang].created, "no confirmation"));
  const link = await page.inputValue("[name=tracking_link]");
  wrong.push(expect(page.url() === link + "?created=1", `the link ${link} is not this page`));
  wrong.push(expect(!(await page.isVisible("[data-copy]")) && !(await page.isVisible("[data-share]")), "a button that does nothing"));
  await page.fill("#text", "Añadido sin JavaScript");
  await page.click("#add .primary");
  wrong.push(expect(/\/t\/[^/?#]+#e-/.test(page.url()), `back at ${page.url()}`));
  wrong.push(expect((await page.textContent(".history")).includes("Añadido sin JavaScript"), "the message is not in the history"));
  report(`without JavaScript ${lang}`, wrong);
  await context.close();
}

// With JavaScript: counter, focus of the summary, copying, sharing, news.
for (const permissions of [["clipboard-read", "clipboard-write"], []]) {
  const { context, page } = await open({ permissions });
  const wrong = [];
  const denied = permissions.length === 0;
  await page.addInitScript((deny) => {
    navigator.share = async (what) => { window.shared = what; };
    if (deny) navigator.clipboard.writeText = () => Promise.reject(new DOMException("denied", "NotAllowedError"));
  }, denied);
  await page.goto(form("es"));
  await page.fill("#title", "🚨".repeat(128));
  wrong.push(expect((await page.textContent("#title ~ .counter")) === words.es.left + "0", "the counter does not count code points"));
  await page.fill("#title", "x".repeat(129));
  wrong.push(expect((await page.textContent("#title ~ .counter")).endsWith(": 1"), "the counter does not tell what is over"));
  await page.click("form .primary");
  const focus = await page.evaluate(() => document.activeElement.className);
  wrong.push(expect(focus === "summary", `focus is on "${focus}", not on the summary`));
  await fill(page, "Farola", "No enciende");
  await page.click("form .primary");
  const link = await page.inputValue("[name=tracking_link]");
  await page.click("[data-copy]");
  await page.waitForFunction(() => document.getElementById("said").textContent !== "");
  const said = await page.textContent("#said");
  wrong.push(expect(said.startsWith(words.es.copied) || (denied && said.startsWith(words.es.failed)), `said "${said}"`));
  if (!denied) wrong.push(expect((await page.evaluate(() => navigator.clipboard.readText())) === link, "another text in the clipboard"));
  await page.click("[data-share]");
  wrong.push(expect((await page.evaluate(() => window.shared.url)) === link, "another link was shared"));
  await context.request.post(link + "/messages", { form: { text: "Desde otra ventana" } });
  await page.evaluate(() => dispatchEvent(new Event("focus")));
  await page.waitForFunction(() => document.getElementById("news").textContent !== "");
  wrong.push(expect((await page.textContent("#live .history")).includes("Desde otra ventana"), "the news is not shown"));
  report(`with JavaScript, clipboard ${denied ? "refused" : "allowed"}`, [...wrong, ...(await axe(page))]);
  await context.close();
}

// The keyboard alone, with a focus that can be seen.
{
  const { context, page } = await open();
  const wrong = [];
  const focused = () => page.evaluate(() => {
    const el = document.activeElement;
    const style = getComputedStyle(el);
    const box = el.getBoundingClientRect();
    return { name: el.id || el.value || el.className || el.tagName, seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && box.bottom > 0 && box.top < innerHeight };
  });
  await page.goto(form("es"));
  const order = [];
  for (let i = 0; i < 8; i++) {
    await page.keyboard.press("Tab");
    const at = await focused();
    order.push(at.name);
    if (!at.seen) wrong.push(`focus on ${at.name} cannot be seen`);
  }
  wrong.push(expect(order.join(" ") === "skip es en pt title description contact primary", `order of focus: ${order.join(" ")}`));
  await page.reload();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  wrong.push(expect((await focused()).name === "main", "the skip link does not lead to main"));
  await page.keyboard.press("Tab");
  await page.keyboard.type("Por teclado");
  await page.keyboard.press("Tab");
  await page.keyboard.type("Sin ratón");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForURL(/created=1/);
  wrong.push(expect((await page.textContent("h1")) === words.es.created, "the form was not sent"));
  report("keyboard alone", wrong);
  await context.close();
}

// Going back, reloading and sending twice make nothing new.
{
  const { context, page } = await open();
  const wrong = [];
  const link = form("es");
  await page.goto(link);
  await fill(page, "Una vez", "Solo una");
  await page.dblclick("form .primary");
  await page.waitForURL(/created=1/);
  const first = page.url();
  await page.reload();
  wrong.push(expect(page.url() === first, "a reload leads elsewhere"));
  wrong.push(expect((await page.locator(".history li").count()) === 1, "more than one line of history"));
  await page.goBack();
  if (await page.locator("#case").count()) {
    await fill(page, "Una vez", "Solo una");
    await page.click("form .primary");
    wrong.push(expect(page.url() === first, "sending again leads elsewhere"));
  }
  await page.goto(link);
  wrong.push(expect((await page.locator("form").count()) === 0, "a used link shows a form"));
  wrong.push(expect(!(await page.content()).includes("/t/"), "a used link shows the tracking link"));
  await page.goto(first);
  wrong.push(expect((await page.locator(".history li").count()) === 1, "more than one line of history"));
  await page.fill("#text", "Un mensaje");
  await page.dblclick("#add .primary");
  await page.waitForURL(/#e-/);
  await page.reload();
  wrong.push(expect((await page.locator(".history li").count()) === 2, "a double click made two messages"));
  report("back, reload, twice", wrong);
  await context.close();
}

// 200 % of zoom, twice the text, forced colours, less motion, paper.
{
  const link = form("es");
  for (const [name, options] of Object.entries({
    "zoom 200 %": { viewport: { width: 640, height: 450 }, deviceScaleFactor: 2 },
    "forced colours": { forcedColors: "active" },
    "reduced motion": { reducedMotion: "reduce" },
  })) {
    for (const target of [link, input.states.waiting]) {
      const look = await open(options);
      await look.page.goto(target);
      const wrong = [];
      if (name === "reduced motion") wrong.push(expect(await look.page.evaluate(() => getComputedStyle(document.documentElement).scrollBehavior === "auto" && document.getAnimations().length === 0), "something moves"));
      if (name === "forced colours") {
        wrong.push(...await look.page.evaluate(() => [...document.querySelectorAll(".primary:not([hidden]), .badge, input:not([type=hidden]):not(#website), textarea")]
          .filter((el) => parseFloat(getComputedStyle(el).borderTopWidth) < 1).map((el) => `no border on ${el.className || el.id}`)));
      }
      await audit(`${name} ${new URL(target).pathname.slice(0, 3)}`, look, wrong);
      if (name === "zoom 200 %") {
        await look.page.evaluate(() => { document.documentElement.style.fontSize = "200%"; });
        report(`text 200 % ${new URL(target).pathname.slice(0, 3)}`, await shape(look.page));
      }
      await look.context.close();
    }
  }
  const look = await open();
  await look.page.goto(input.states.waiting + "?created=1");
  await look.page.emulateMedia({ media: "print" });
  report("paper", [
    expect(await look.page.isVisible("#link"), "the link is not printed"),
    expect(await look.page.isVisible(".reference"), "the reference is not printed"),
    expect(!(await look.page.isVisible("#add")) && !(await look.page.isVisible("nav")) && !(await look.page.isVisible("[data-print]")), "something is printed that paper cannot do"),
  ]);
  await shot(look.page, "paper");
  await look.context.close();
}

// Negative control: these faults must be found, else nothing above means anything.
{
  const { context, page } = await open({ viewport: { width: 320, height: 700 } });
  await page.goto(form("es"));
  await page.evaluate(() => {
    document.documentElement.removeAttribute("lang");
    document.querySelector(".lead").style.color = "#ffc107";
    document.querySelector("label[for=title]").remove();
    document.querySelector("nav button[value=en]").textContent = "";
    const dot = document.querySelector("form .primary");
    Object.assign(dot.style, { width: "10px", height: "10px", minHeight: "0", minWidth: "0", padding: "0", overflow: "hidden", inlineSize: "10px" });
    document.querySelector("#contact").style.fontSize = "12px";
    document.querySelector("h1").style.width = "600px";
  });
  const found = [...(await axe(page)), ...(await shape(page))].join("\n");
  report("negative control", ["html-has-lang", "color-contrast", "label", "button-name", "target of", "small text", "scrolls sideways"].filter((fault) => !found.includes(fault)).map((fault) => `not found: ${fault}`));
  await context.close();
}

await browser.close();
process.exit(failed > 0 ? 1 : 0);
