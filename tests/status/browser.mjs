// Opens the status page in a browser, and compares it with /status.json.
// Usage: node browser.mjs NODE_MODULES http://127.0.0.1:PORT
// METRICLET_SCREENSHOTS=FOLDER saves screenshots.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, origin] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const pictures = process.env.METRICLET_SCREENSHOTS;
const patience = 120_000;

const browser = await chromium.launch({
  executablePath: process.env.METRICLET_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});

/** A page that fails the test when it asks for something elsewhere, or logs an error, as of the security policy. */
async function open(path, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(patience);
  const page = await context.newPage();
  page.on("request", (request) => assert.ok(request.url().startsWith(origin), request.url()));
  page.on("console", (message) => assert.notEqual(message.type(), "error", message.text()));
  page.on("dialog", () => assert.fail("markup ran"));
  await page.goto(origin + path);
  return page;
}

async function report() {
  return (await fetch(`${origin}/status.json`)).json();
}

/** What the page shows of each rule. */
function shown(page) {
  return page.$$eval("article[id^=r-]", (articles) =>
    articles.map((article) => ({
      id: article.id.slice(2),
      values: [...article.querySelectorAll("li")].map((row) => row.children[1].querySelector("b")?.textContent ?? null),
      errors: [...article.querySelectorAll("li .e:not(path)")].map((error) => error.textContent),
    })),
  );
}

const expected = (rule) => ({
  id: rule.id,
  values: rule.requests.map(({ value }) => (value === null ? null : String(Math.round(value * 1000) / 1000))),
  errors: rule.requests.filter(({ error }) => error).map(({ error }) => `${error.code} ${error.message}`),
});

/** What it shows of each HPA. */
function shownHpas(page) {
  return page.$$eval("article[id^=h-]", (articles) =>
    articles.map((article) => ({
      id: article.id.slice(2),
      replicas: article.querySelector("p").textContent,
      metrics: [...article.querySelectorAll("li")].map((row) => ({
        name: row.children[0].firstElementChild.textContent,
        rule: row.querySelector("a")?.hash.slice(3) ?? null,
        values: row.children[1].textContent,
        problem: row.querySelector(".e")?.textContent ?? null,
      })),
      conditions: [...article.querySelectorAll("ul ~ p")].map((line) => line.textContent),
    })),
  );
}

const shortened = (text) => (text.length > 512 ? `${text.slice(0, 512)}…` : text);

const expectedHpa = (hpa) => ({
  id: `${hpa.namespace}/${hpa.name}`,
  replicas:
    `${hpa.target.kind}/${hpa.target.name}: ` +
    (hpa.currentReplicas === null ? "" : `${hpa.currentReplicas} replicas, `) +
    (hpa.desiredReplicas === null ? "" : `${hpa.desiredReplicas} desired, `) +
    `${hpa.minReplicas} to ${hpa.maxReplicas} allowed`,
  metrics: hpa.metrics.map(({ name, rule, target, isAverage, current, problem }) => ({
    name: escaped(name),
    rule,
    values: `${current ?? "no value,"} target ${target}${isAverage ? " per pod" : ""}`,
    problem: problem && `no rule serves it: ${problem}`,
  })),
  conditions: hpa.conditions.map(
    ({ type, status, reason, message }) => `${type} ${status}: ${reason}: ${escaped(shortened(message))}`,
  ),
});

const escaped = (text) => text.replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);

async function picture(page, name) {
  if (pictures) await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
}

async function accessible(page, what) {
  // The page's policy allows only its own script; the checker is injected by the browser.
  const session = await page.context().newCDPSession(page);
  await session.send("Runtime.evaluate", { expression: axe });
  const { result } = await session.send("Runtime.evaluate", {
    expression: "axe.run().then(({ violations }) => JSON.stringify(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html.slice(0, 200))])))",
    awaitPromise: true,
  });
  assert.equal(result.value, "[]", what);
}

// The same as the JSON, with and without JavaScript.
for (const javaScriptEnabled of [true, false]) {
  const page = await open("/status", { javaScriptEnabled });
  const { rules, hpas } = await report();
  assert.equal(hpas.items.length, 2);
  assert.deepEqual(await shownHpas(page), hpas.items.map(expectedHpa));
  assert.deepEqual(await shown(page), rules.map(expected).map((rule) => ({ ...rule, errors: rule.errors.map(escaped) })));
  assert.equal(await page.locator("main img, main script").count(), 0, "markup of others is text");
  assert.ok((await page.locator("#rules").locator("..").innerText()).includes("<img src=x onerror=alert(1)>"));
  await page.context().close();
}

// Small and large viewports, dark mode, and print.
for (const [name, options] of Object.entries({
  wide: {},
  narrow: { viewport: { width: 320, height: 640 } },
  dark: { colorScheme: "dark" },
})) {
  const page = await open("/status", options);
  const [scroll, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(scroll <= width, `${name}: ${scroll} pixels of content in ${width}`);
  await accessible(page, name);
  await picture(page, name);
  await page.context().close();
}
const background = async (colorScheme) => {
  const page = await open("/status", { colorScheme });
  const color = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.context().close();
  return color;
};
assert.notEqual(await background("dark"), await background("light"));
const paper = await open("/status");
await paper.emulateMedia({ media: "print" });
assert.ok(await paper.locator("form").isHidden());
await paper.context().close();

// Filters, with the keyboard only; and a link to a rule.
const page = await open("/status");
await page.getByLabel("Namespace").focus();
await page.keyboard.type("bank");
await page.keyboard.press("Enter");
await page.waitForURL(/namespace=bank/);
assert.deepEqual((await shown(page)).map(({ id, values }) => [id, values]), [["depth", ["1"]]]);
assert.deepEqual((await shownHpas(page)).map(({ id }) => id), ["bank/web"]);
await page.goto(`${origin}/status`);
await page.getByLabel("Problems only").check();
await page.getByRole("button", { name: "Show" }).click();
await page.waitForURL(/wrong=true/);
const failing = (await report()).rules.filter(({ problem, requests }) => problem || requests.some(({ error }) => error));
assert.deepEqual((await shown(page)).map(({ id }) => id), failing.map(({ id }) => id));
assert.deepEqual((await shownHpas(page)).map(({ id }) => id), ["shop/web"]);
// The link to an HPA's rule opens the page without filters; on that page, the link is local.
await page.locator("article[id^=h-]").getByRole("link", { name: "depth", exact: true }).click();
await page.waitForURL(/\/status#r-depth$/);
assert.equal(await page.evaluate(() => document.querySelector(":target").id), "r-depth");
await page.goto(`${origin}/status`);
await page.locator("#r-depth").getByRole("link").click();
assert.equal(await page.evaluate(() => document.querySelector(":target").id), "r-depth");
await page.getByRole("link", { name: "shop/web" }).click();
assert.equal(await page.evaluate(() => document.querySelector(":target").id), "h-shop/web");

// The page refreshes itself unless it has the focus or a selection.
await page.goto(`${origin}/status`);
const before = (await shown(page)).find(({ id }) => id === "depth").values;
await fetch(`${origin}/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/services/web/depth`);
await page.waitForFunction((before) => {
  const rows = [...document.querySelectorAll("#r-depth li")];
  return rows.some((row, at) => (row.children[1].querySelector("b")?.textContent ?? null) !== before[at]);
}, before);

await browser.close();
