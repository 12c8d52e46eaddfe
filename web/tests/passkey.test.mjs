// A resident of the demo signs in with a password and the code that the demo shows, makes a passkey with Chromium's
// virtual authenticator, signs out, and signs in with it; their pages are as accessible as the public ones.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { launch } from "./browser.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
// Passkeys belong to a name, not to an address.
const BASE = process.env.BASE_URL?.replace(/\/$/, "").replace("127.0.0.1", "localhost");
const OWN = [
  "/id",
  "/id/profile",
  "/id/passkeys",
  "/id/passkeys/password",
  "/id/devices",
  "/id/history",
  "/id/delegations",
  "/id/delegations/invite",
  "/id/links",
  "/id/consents",
  "/id/help",
];

let browser;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser?.close();
});

async function withPassword(page, login) {
  await page.goto(`${BASE}/id/sign-in/password?next=/id`);
  await page.fill("#id-login", login);
  await page.fill("#id-password", "kenroku-demo-2026");
  await page.click("form.kr-form button");
  const code = /\b(\d{6})\b/.exec(await page.locator(".kr-id").innerText())?.[1];
  assert.ok(code, "the demo shows the code of simulated people");
  await page.fill("#id-code", code);
  await page.click("form.kr-form button");
  await page.waitForURL(`${BASE}/id`);
}

// The component server has no accounts.
for (const base of BASE ? [BASE] : [])
  test(`a passkey is made and signs in at ${base}`, async () => {
    const context = await browser.newContext({ locale: "ja-JP" });
    const page = await context.newPage();
    const faults = [];
    page.on("pageerror", (e) => faults.push(String(e)));
    const cdp = await context.newCDPSession(page);
    await cdp.send("WebAuthn.enable");
    await cdp.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    await withPassword(page, "demo-kenmin");
    await page.goto(`${BASE}/id/passkeys`);
    const before = await page.locator(".kr-id__rows li").count();
    await page.click("kr-passkey button");
    await page.waitForFunction((n) => document.querySelectorAll(".kr-id__rows li").length === n + 1, before);
    await page.goto(`${BASE}/id`);
    await page.click('form[action="/id/sign-out"] button');
    await page.waitForURL(`${BASE}/`);

    await page.goto(`${BASE}/id/sign-in?next=/snow`);
    await page.click("kr-passkey button");
    await page.waitForURL(`${BASE}/snow`);
    assert.equal(await page.locator('.kr-header a[href="/id"]').count(), 1, "the header leads to one's own page");
    await page.goto(`${BASE}/`);
    assert.equal(await page.locator("h1").innerText(), "能美市", "the portal begins with one's own area");

    for (const path of OWN)
      for (const width of [320, 1280]) {
        await page.setViewportSize({ width, height: 900 });
        await page.goto(`${BASE}${path}`, { waitUntil: "load" });
        assert.equal(await page.locator("h1").count(), 1, path);
        const room = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        assert.ok(room <= 0, `${path} at ${width} is wider than the screen`);
        await page.evaluate(AXE);
        const found = await page.evaluate(
          (tags) => axe.run(document, { runOnly: tags, resultTypes: ["violations"] }),
          RULES,
        );
        assert.deepEqual(
          found.violations.map((v) => `${path} ${v.id}: ${v.nodes.map((n) => n.html.slice(0, 120))}`),
          [],
        );
      }
    await page.goto(`${BASE}/id/passkeys`);
    await page.locator(".kr-id__rows li", { hasText: "パスキー" }).first().locator("button").click();
    await page.waitForLoadState("load");
    assert.deepEqual(faults, []);
    await context.close();
  });
