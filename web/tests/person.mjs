// Somebody with an いしかわID who signs in at the demo and agrees, without a screen.
export const BASE = process.env.BASE_URL?.replace(/\/$/, "");
export const PASSWORD = "kenroku-demo-2026";

/** A browser without a screen: cookies, redirects and forms. */
export class Person {
  #cookies = new Map();

  async fetch(url, form) {
    const cookie = [...this.#cookies].map(([k, v]) => `${k}=${v}`).join("; ");
    const answer = await fetch(new URL(url, BASE), {
      redirect: "manual",
      headers: { cookie, accept: "text/html", ...(form && { origin: BASE, "sec-fetch-site": "same-origin" }) },
      ...(form && { method: "POST", body: new URLSearchParams(form) }),
    });
    for (const line of answer.headers.getSetCookie()) {
      const [name, value] = line.split(";")[0].split(/=(.*)/s);
      this.#cookies.set(name, value);
    }
    return answer;
  }

  /** Goes where it is sent until a page of ours or an address of the client is reached. */
  async go(url, form) {
    let answer = await this.fetch(url, form);
    for (let i = 0; i < 10; i++) {
      const to = answer.headers.get("location") ?? answer.headers.get("refresh")?.replace(/^0; url=/, "");
      if (!to) return { page: await answer.text(), url };
      url = new URL(to, BASE).href;
      if (!url.startsWith(BASE)) return { back: new URL(url) };
      answer = await this.fetch(url);
    }
    throw new Error("redirected in a circle");
  }

  /** Signs in with password and one-time code, when asked to. */
  async #signIn(at, login) {
    const way = at.page && /href="(\/id\/sign-in\/password[^"]*)"/.exec(at.page)?.[1];
    if (!way) return at;
    const asked = await this.go(way.replaceAll(/&(amp|#38);/g, "&"));
    const shown = await this.go("/id/sign-in/password", { ...hidden(asked.page), login, password: PASSWORD });
    const code = /\b(\d{6})\b/.exec(shown.page.replaceAll(/value="[^"]*"/g, ""))[1];
    return this.go("/id/sign-in/code", { ...hidden(shown.page), code });
  }

  /** Signs in and agrees to everything; ends at the client, or at the page that says that it is done. */
  async authorize(url, login) {
    const at = await this.#signIn(await this.go(url), login);
    if (at.back) return at;
    const claims = [...at.page.matchAll(/name="claim" value="([^"]+)"/g)].map((m) => ["claim", m[1]]);
    const fields = [...Object.entries(hidden(at.page)), ...claims, ["decision", "allow"]];
    return this.go(/<form class="kr-form" action="([^"]+)"/.exec(at.page)[1], fields);
  }
}

const hidden = (page) =>
  Object.fromEntries([...page.matchAll(/type="hidden" name="([^"]+)" value="([^"]*)"/g)].map((m) => [m[1], m[2]]));
