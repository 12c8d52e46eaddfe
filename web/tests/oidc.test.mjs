// The OpenID Provider with libraries that others use, against a whole demo: openid-client as a server, and
// oidc-client-ts in a browser. Each goes from discovery to logout with nothing but what a developer would write.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { test } from "node:test";
import * as oidc from "openid-client";
import { launch } from "./browser.mjs";
import { BASE, PASSWORD, Person } from "./person.mjs";

const REDIRECT = "http://127.0.0.1:18765/callback";

const needsDemo = { skip: BASE ? false : "needs a whole server: set BASE_URL" };

test(
  "openid-client: discovery, PAR, PKCE, DPoP, userinfo, refresh, introspection, revocation, logout",
  needsDemo,
  async () => {
    const config = await oidc.discovery(new URL(BASE), "demo-web", {}, oidc.ClientSecretBasic(PASSWORD), {
      execute: [oidc.allowInsecureRequests],
    });
    const verifier = oidc.randomPKCECodeVerifier();
    const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
    const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair());
    const url = await oidc.buildAuthorizationUrlWithPAR(
      config,
      {
        redirect_uri: REDIRECT,
        scope: "openid profile residence offline_access",
        code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
        code_challenge_method: "S256",
        state,
        nonce,
      },
      { DPoP },
    );
    assert.ok(url.searchParams.get("request_uri"));
    const person = new Person();
    const { back, page } = await person.authorize(url.href, "demo-kenmin");
    assert.ok(back, page);
    assert.equal(back.searchParams.get("iss"), BASE);
    const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce };
    const tokens = await oidc.authorizationCodeGrant(config, back, checks, undefined, { DPoP });
    assert.equal(tokens.token_type, "dpop");
    const { sub, acr } = tokens.claims();
    assert.equal(acr, "urn:ishikawa:password-otp");
    const info = await oidc.fetchUserInfo(config, tokens.access_token, sub, { DPoP });
    assert.equal(info.name, "模擬　県民");
    assert.equal(info["urn:ishikawa:muni_code"], "17211");

    // The old refresh token again: a thief has it, so the family ends.
    const renewed = await oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
    assert.notEqual(renewed.refresh_token, tokens.refresh_token);
    assert.equal((await oidc.tokenIntrospection(config, renewed.access_token)).active, true);
    const stolen = oidc.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
    await assert.rejects(stolen, (e) => e.error === "invalid_grant");
    assert.equal((await oidc.tokenIntrospection(config, renewed.access_token)).active, false);
    await oidc.tokenRevocation(config, renewed.refresh_token);

    const out = oidc.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token,
      post_logout_redirect_uri: "http://127.0.0.1:18765/",
      state: "bye",
    });
    const left = await person.go(out.href);
    assert.equal(left.back?.searchParams.get("state"), "bye");
  },
);

test("openid-client: a program's own token", needsDemo, async () => {
  const config = await oidc.discovery(new URL(BASE), "demo-machine", {}, oidc.ClientSecretBasic(PASSWORD), {
    execute: [oidc.allowInsecureRequests],
  });
  const tokens = await oidc.clientCredentialsGrant(config, { scope: "open-data.read" });
  assert.equal(tokens.scope, "open-data.read");
});

test("openid-client: a key that the service publishes, instead of a secret", needsDemo, async () => {
  const [own, foreign] = await Promise.all(
    [1, 2].map(() => crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"])),
  );
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", own.publicKey);
  const jwks = JSON.stringify({ keys: [{ kty, crv, x, y, kid: "1", use: "sig", alg: "ES256" }] });
  const site = createServer((_, answer) => {
    answer.setHeader("content-type", "application/json");
    answer.end(jwks);
  });
  // Where the demo says that `demo-keyed` publishes its keys.
  await new Promise((done) => site.listen(18767, "127.0.0.1", done));
  try {
    const token = async (pair) => {
      const key = { key: pair.privateKey, kid: "1" };
      const config = await oidc.discovery(new URL(BASE), "demo-keyed", {}, oidc.PrivateKeyJwt(key), {
        execute: [oidc.allowInsecureRequests],
      });
      return oidc.clientCredentialsGrant(config, { scope: "open-data.read" });
    };
    assert.equal((await token(own)).scope, "open-data.read");
    await assert.rejects(token(foreign), (e) => e.status === 401);
  } finally {
    site.close();
  }
});

test("openid-client: a terminal by a typed code", needsDemo, async () => {
  const config = await oidc.discovery(new URL(BASE), "demo-kiosk", {}, oidc.None(), {
    execute: [oidc.allowInsecureRequests],
  });
  const device = await oidc.initiateDeviceAuthorization(config, { scope: "openid profile" });
  const person = new Person();
  const polled = oidc.pollDeviceAuthorizationGrant(config, device, undefined, {
    signal: AbortSignal.timeout(60_000),
  });
  const at = await person.authorize(device.verification_uri_complete, "demo-zaikin");
  assert.match(at.page, /op-device-done/);
  const tokens = await polled;
  const info = await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  assert.equal(info.name, "模擬　在勤");
});

const PAGE = `<!doctype html><meta charset="utf-8"><title>client</title><script src="/oidc-client-ts.js"></script>
<p id="at">start</p><script src="/app.js"></script>`;
const APP = (authority) => `
const { UserManager, WebStorageStateStore, IndexedDbDPoPStore } = oidc;
const here = location.origin;
const manager = new UserManager({
  authority: ${JSON.stringify(authority)},
  client_id: "demo-app",
  redirect_uri: here + "/callback",
  post_logout_redirect_uri: here + "/",
  scope: "openid profile",
  userStore: new WebStorageStateStore({ store: localStorage }),
  dpop: { store: new IndexedDbDPoPStore() },
});
const say = (text) => { document.getElementById("at").textContent = text; };
window.manager = manager;
// The library sends no proof to the userinfo endpoint by itself.
const name = async () => {
  const user = await manager.getUser();
  const url = ${JSON.stringify(authority)} + "/oidc/userinfo";
  const ask = async (nonce) => fetch(url, {
    headers: {
      authorization: "DPoP " + user.access_token,
      dpop: await manager.dpopProof(url, user, "GET", nonce),
    },
  });
  let answer = await ask();
  if (answer.status === 401) answer = await ask(answer.headers.get("dpop-nonce"));
  return (await answer.json()).name;
};
window.begin = (how) => manager.signinRedirect(how).catch((e) => say("failed: " + e));
if (location.pathname === "/callback") {
  manager.signinRedirectCallback()
    .then(name).then((who) => say("signed in " + who), (e) => say("failed: " + e));
}
`;

test("oidc-client-ts in Chromium: DPoP, consent, refresh, logout", needsDemo, async () => {
  const library = readFileSync(
    new URL("../node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js", import.meta.url),
  );
  const site = createServer((request, answer) => {
    const path = new URL(request.url, "http://x").pathname;
    const script = { "/oidc-client-ts.js": library, "/app.js": APP(BASE) }[path];
    answer.setHeader("content-type", script ? "text/javascript" : "text/html; charset=utf-8");
    answer.end(script ?? PAGE);
  });
  await new Promise((done) => site.listen(0, "127.0.0.1", done));
  const browser = await launch();
  try {
    const context = await browser.newContext({ locale: "ja-JP" });
    const page = await context.newPage();
    const home = `http://127.0.0.1:${site.address().port}/`;
    await page.goto(home);
    await page.evaluate('void begin({ prompt: "consent" })');
    await page.waitForURL(/\/id\/sign-in/);
    await page.click('a[href^="/id/sign-in/password"]');
    await page.fill("#id-login", "demo-satogaeri");
    await page.fill("#id-password", PASSWORD);
    await page.click("main button[type=submit]");
    const text = await page.locator("main").innerText();
    await page.fill("#id-code", /\b(\d{6})\b/.exec(text)[1]);
    await page.click("main button[type=submit]");
    await page.waitForURL(/\/oidc\/consent\//);
    assert.match(await page.locator("h1").innerText(), /模擬アプリ/);
    await page.click('button[value="allow"]');
    await page.waitForURL(/\/callback/);
    await page.waitForFunction('document.getElementById("at").textContent !== "start"');
    assert.equal(await page.locator("#at").innerText(), "signed in 模擬　里帰");
    const renewed = await page.evaluate(`(async () => {
      const before = (await manager.getUser()).access_token;
      const after = await manager.signinSilent();
      return { changed: after.access_token !== before, type: after.token_type };
    })()`);
    assert.deepEqual(renewed, { changed: true, type: "DPoP" });
    await page.evaluate("void manager.signoutRedirect()");
    await page.waitForURL(home);
    await page.evaluate("void begin()");
    await page.waitForURL(/\/id\/sign-in/);
  } finally {
    await browser.close();
    site.close();
  }
});
