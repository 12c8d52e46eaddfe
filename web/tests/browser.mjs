// What the browser tests and the screenshot script share: Debian's Chromium, and a server to look at.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
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
  "/about/accessibility",
  "/developers",
  "/staff/sign-in",
  ...OWN_PAGES,
];
export const PAGES = process.env.PAGES?.split(",") ?? (process.env.BASE_URL ? ALL_PAGES : OWN_PAGES);

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

/** An address in a language. */
export const inLocale = (base, path, locale) => `${base}${path}${path.includes("?") ? "&" : "?"}lang=${locale}`;
