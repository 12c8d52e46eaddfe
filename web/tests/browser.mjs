// What the browser tests and the screenshot script share: Debian's Chromium, and a server to look at.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { after, before } from "node:test";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // The map needs WebGL, which a machine without a graphics card draws in software.
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
];

export const LOCALES = ["ja", "ja-x-yasashii", "en"];

/** The pages of the component server, and those of a whole server at BASE_URL; PAGES="/,/snow" chooses. */
const OWN_PAGES = ["/design", "/design/console", "/design/error"];
const ALL_PAGES = [
  "/",
  "/snow",
  "/snow?area=17211",
  "/places",
  "/about/contact",
  "/purposes",
  "/personal-files",
  "/about/accessibility",
  "/developers",
  "/developers/id",
  "/staff/sign-in",
  "/staff/break-glass",
  "/staff/set-up?ticket=over",
  "/id/sign-in",
  "/id/sign-in/password",
  "/id/help",
  "/id/start",
  "/id/register",
  "/id/register/terms?act=register&class=resident",
  "/id/register/terms?act=desk&class=child",
  "/id/register/phone?act=register&class=resident",
  "/snow?area=17211&view=age",
  "/snow/segments/{done}",
  ...OWN_PAGES,
];

/** Pages behind the staff door, each with the demo account that opens it. */
const STAFF_PAGES = {
  "/staff": "demo-snow",
  "/staff/snow": "demo-snow",
  "/staff/snow/roads": "demo-snow",
  "/staff/snow/roads?view=age": "demo-snow-nomi",
  "/staff/snow/devices": "demo-snow",
  "/staff/snow/refused": "demo-snow",
  "/staff/snow/refused?{refused}": "demo-snow",
  "/staff/bus": "demo-operator",
  "/staff/keys": "demo-nomi",
  "/staff/rules": "demo-officer-nomi",
  "/staff/rules?who=id-desk&from=17000&may=identity.review-people&whose=17000&how=2": "demo-officer-nomi",
  "/staff/rules/matrix?of=snow": "demo-officer-nomi",
  "/staff/accounts": "demo-nomi",
  "/staff/accounts/{account}": "demo-nomi",
  "/staff/own": "demo-snow",
  "/staff/alarms": "demo-officer-nomi",
  "/staff/privacy": "demo-officer-nomi",
  "/staff/privacy/requests/new": "demo-officer-nomi",
  "/staff/privacy/breaches": "demo-officer-nomi",
  "/staff/privacy/breaches/new": "demo-officer-nomi",
  "/staff/privacy/requests/{request}": "demo-officer-nomi",
  "/staff/privacy/breaches/{breach}": "demo-officer-nomi",
  "/staff/privacy/files/{file}": "demo-officer-nomi",
  "/staff/privacy/releases/entries/{release}": "demo-officer-nomi",
  "/staff/privacy/files": "demo-officer-nomi",
  "/staff/privacy/files/new?from=identity": "demo-officer-nomi",
  "/staff/privacy/purposes": "demo-officer-nomi",
  "/staff/privacy/received": "demo-officer-nomi",
  "/staff/privacy/retention": "demo-officer-nomi",
  "/staff/privacy/releases": "demo-officer-nomi",
  "/staff/privacy/releases/cells": "demo-officer-nomi",
  "/staff/privacy/releases/noise": "demo-officer-nomi",
  "/staff/consent": "demo-officer-nomi",
  "/staff/consent/provisions": "demo-officer-nomi",
  "/staff/consent/cases": "demo-officer-nomi",
  "/staff/consent/new": "demo-officer-nomi",
  "/staff/consent/recipients": "demo-officer-nomi",
  "/staff/consent/usage": "demo-officer-nomi",
  "/staff/consent/notices": "demo-officer-nomi",
  "/staff/consent/emergencies": "demo-officer-nomi",
  "/staff/consent/danger": "demo-nomi",
  "/staff/consent/witness": "demo-officer-nomi",
  "/staff/identity/disaster": "demo-id",
  "/staff/identity/counter": "demo-counter",
  "/staff/identity/counter/person": "demo-counter",
  "/staff/identity/counter/child": "demo-counter",
  "/staff/identity/counter/find": "demo-counter",
  "/staff/identity/people": "demo-id",
  "/staff/identity/clients": "demo-operator",
  "/staff/identity/clients?contract=demo-machine": "demo-operator",
};
/** The list on which an address is found whose part stands in braces. */
const LISTS = {
  request: "/staff/privacy",
  breach: "/staff/privacy/breaches",
  file: "/staff/privacy/files",
  release: "/staff/privacy/releases",
};
const PASSWORD = "kenroku-demo-2026";
export const PAGES =
  process.env.PAGES?.split(",") ?? (process.env.BASE_URL ? [...ALL_PAGES, ...Object.keys(STAFF_PAGES)] : OWN_PAGES);

export const launch = () =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: FLAGS,
    chromiumSandbox: false,
  });

/** The server at BASE_URL, or the component server of kernel/ui on a free port. */
export async function server() {
  if (process.env.BASE_URL) return { base: process.env.BASE_URL.replace(/\/$/, ""), stop: () => {} };
  const cwd = new URL("../..", import.meta.url).pathname;
  const args = ["run", "-q", "-p", "kenroku-ui", "--example", "design", "--", "127.0.0.1:0"];
  const child = spawn("cargo", args, { cwd, stdio: ["ignore", "inherit", "pipe"], detached: true });
  const lines = createInterface({ input: child.stderr });
  const base = await new Promise((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`the component server ended with ${code}`)));
    lines.on("line", (line) => {
      const found = /^(http:\/\/[0-9.:]+)\/design$/.exec(line);
      if (found) resolve(found[1]);
      else console.error(line);
    });
  });
  // cargo is the parent of the server: end the group that we started.
  return { base, stop: () => process.kill(-child.pid) };
}

/** Asks the server until `found` makes something of the answer. */
async function wanted(what, ask, found) {
  for (let i = 0; i < 240; i++) {
    const got = found(await ask());
    if (got) return got;
    await new Promise((done) => setTimeout(done, 250));
  }
  throw new Error(`${what}: nothing after a minute`);
}

/** The public sees the first work of a fresh demo only after the delay. */
export const untilThereAreStates = (base) =>
  wanted(
    "the state of a road",
    async () => (await fetch(`${base}/api/snow/v1/state`)).json(),
    (file) => Object.keys(file.ages).length > 0,
  );

const sessions = new Map();
/** Lets a page's context in as the account that a page needs. Each account signs in once. */
export async function signIn(context, base, path) {
  const login = STAFF_PAGES[path];
  if (!login) return;
  if (!sessions.has(login)) {
    const answer = await context.request.post(`${base}/staff/sign-in`, {
      form: { login, password: PASSWORD },
      maxRedirects: 0,
    });
    if (answer.status() !== 303) throw new Error(`${login} cannot sign in: ${answer.status()}`);
    sessions.set(login, await context.cookies(base));
  }
  await context.addCookies(sessions.get(login));
}

/** A page's address with what stands in braces filled in from the running demo. */
export async function address(context, base, path) {
  if (path.includes("{done}")) {
    const list = async () => (await fetch(`${base}/api/snow/v1/segments?state=done&limit=1`)).json();
    const id = await wanted("a cleared road", list, (found) => found.items[0]?.id);
    return path.replace("{done}", id);
  }
  if (path.includes("{account}")) {
    const page = await (await context.request.get(`${base}/staff/accounts`)).text();
    const id = /href="\/staff\/accounts\/([0-9a-f-]+)"/.exec(page)?.[1];
    if (!id) throw new Error("the demo has no staff accounts");
    return path.replace("{account}", id);
  }
  for (const [part, list] of Object.entries(LISTS)) {
    if (!path.includes(`{${part}}`)) continue;
    const page = await (await context.request.get(`${base}${list}`)).text();
    const id = new RegExp(`href="${path.replace(`{${part}}`, "([0-9a-f-]+)")}"`).exec(page)?.[1];
    if (!id) throw new Error(`the demo has nothing at ${path}`);
    return path.replace(`{${part}}`, id);
  }
  if (path.includes("{refused}")) {
    const page = await (await context.request.get(`${base}/staff/snow/refused`)).text();
    const query = /refused\?(device=[^"]+)#rows"/.exec(page)?.[1].replaceAll("&#38;", "&");
    if (!query) throw new Error("the demo has no refused positions");
    return path.replace("{refused}", query);
  }
  return path;
}

/** A browser, a server that is `ready`, and their end: the hooks of a test file. */
export function site(ready = async () => {}) {
  const here = { browser: undefined, host: undefined };
  before(async () => {
    here.host = await server();
    here.browser = await launch();
    await ready(here.host.base);
  });
  after(async () => {
    await here.browser?.close();
    here.host?.stop();
  });
  return here;
}

/** An address in a language. */
export const inLocale = (base, path, locale) => `${base}${path}${path.includes("?") ? "&" : "?"}lang=${locale}`;
