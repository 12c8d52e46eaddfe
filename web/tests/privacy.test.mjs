// A resident of the demo asks what a city holds and the data officer decides; then the resident leaves, keeps the
// receipt's address, and comes back. In Chromium, with axe and at the narrowest screen.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const BASE = process.env.BASE_URL?.replace(/\/$/, "").replace("127.0.0.1", "localhost");
const PASSWORD = "kenroku-demo-2026";
// The person of this test alone: nobody else of the tests signs in with it.
const LOGIN = "demo-satogaeri";

let browser;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
});

async function usable(page, what) {
  for (const width of [320, 1280]) {
    await page.setViewportSize({ width, height: 900 });
    const room = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(room <= 0, `${what} at ${width} is wider than the screen`);
  }
  await page.evaluate(AXE);
  const found = await page.evaluate((tags) => axe.run(document, { runOnly: tags, resultTypes: ["violations"] }), RULES);
  assert.deepEqual(
    found.violations.map((v) => `${v.id}: ${v.nodes[0]?.html}`),
    [],
    what,
  );
}

async function signIn(page, next) {
  await page.goto(`${BASE}/id/sign-in/password?next=${next}`);
  await page.fill("#id-login", LOGIN);
  await page.fill("#id-password", PASSWORD);
  await page.click("form.kr-form button");
  const code = /\b(\d{6})\b/.exec(await page.locator(".kr-id").innerText())?.[1];
  await page.fill("#id-code", code);
  await page.click("form.kr-form button");
  await page.waitForURL(`${BASE}${next}`);
}

for (const base of BASE ? [BASE] : []) {
  test(`a resident asks, the officer decides, the resident reads why at ${base}`, async () => {
    const context = await browser.newContext({ locale: "ja-JP" });
    const page = await context.newPage();
    await signIn(page, "/my/requests");
    await usable(page, "my requests");
    await page.locator('a[href="/my/requests/new?kind=disclose"]').click();
    await page.selectOption("#office", { label: "能美市" });
    const what = `健診の申込書 ${Math.random()}`;
    await page.fill("#what", what);
    await page.fill("#name", "模擬　里帰り");
    await page.fill("#address", "東京都（模擬データ）");
    await usable(page, "the form");
    await page.click("form.kr-form button");
    await page.waitForURL(/\/my\/requests\/[0-9a-f-]+\/[0-9a-f-]+$/);
    await usable(page, "one request");
    const mine = page.url();
    const id = mine.split("/").at(-1);

    const desk = await browser.newContext({ locale: "ja-JP" });
    const form = { login: "demo-officer-nomi", password: PASSWORD };
    const answer = await desk.request.post(`${BASE}/staff/sign-in`, { form, maxRedirects: 0 });
    assert.equal(answer.status(), 303);
    const officer = await desk.newPage();
    await officer.goto(`${BASE}/staff/privacy`);
    await officer.locator(`a[href="/staff/privacy/requests/${id}"]`).click();
    assert.match(await officer.locator("main").innerText(), new RegExp(what));
    const decide = officer.locator("form", { has: officer.locator('input[name="act"][value="decide"]') });
    await decide.locator('select[name="decision"]').selectOption("partly");
    await decide.locator("button").click();
    await officer.waitForURL(/not=section/);
    const again = officer.locator("form", { has: officer.locator('input[name="act"][value="decide"]') });
    await again.locator('select[name="decision"]').selectOption("partly");
    await again.locator('input[value="78-1-2"]').check();
    await again.locator("textarea").fill("ほかの方の情報が含まれるため");
    await again.locator("button").click();
    await officer.waitForURL(`${BASE}/staff/privacy/requests/${id}`);
    await usable(officer, "the officer's page");
    await desk.close();

    await page.goto(mine);
    const told = await page.locator("main").innerText();
    assert.match(told, /第78条第1項第2号/);
    assert.match(told, /審査請求/);
    await usable(page, "the decision");
    await context.close();
  });

  test(`a resident leaves, keeps the receipt and comes back at ${base}`, async () => {
    const context = await browser.newContext({ locale: "ja-JP" });
    const page = await context.newPage();
    await signIn(page, "/my/leave");
    await usable(page, "what leaving means");
    await page.locator('form[action="/my/leave"] button').click();
    assert.equal(await page.locator(".kr-wrongs").count(), 1, "read first");
    await page.check('input[name="sure"]');
    await page.locator('form[action="/my/leave"] button').click();
    await page.locator('form[action="/my/leave/undo"]').waitFor();
    await usable(page, "the waiting time");
    const receipt = await page.locator('a[href^="/my/leave/"]').getAttribute("href");

    const stranger = await browser.newContext({ locale: "ja-JP" });
    const seen = await stranger.newPage();
    await seen.goto(`${BASE}${receipt}`);
    assert.match(await seen.locator("main").innerText(), /受け付けました/);
    await usable(seen, "the receipt");
    await page.locator('form[action="/my/leave/undo"] button').click();
    await page.waitForURL(`${BASE}/my`);
    await seen.reload();
    assert.match(await seen.locator("main").innerText(), /取りやめました/);
    await stranger.close();
    await context.close();
  });
}
