/**
 * <kr-passkey mode="get|create" start="…" finish="…" next="…">: the button of a passkey ceremony.
 *
 * Hidden where the browser has no passkeys. It asks `start` for the options, lets the device answer, hands the answer
 * to `finish` and goes where that says. `data-failed` and `data-old` hold the sentences for what can go wrong. The
 * challenge never comes from the page and is never kept.
 */
export {};

type Options = { ticket: string; secret: string; publicKey: Record<string, unknown> };

const bytes = (text: string): ArrayBuffer =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0)).buffer;

const text = (buffer: ArrayBuffer | null): string | null =>
  buffer &&
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

async function post<T>(url: string, body: unknown): Promise<T> {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    credentials: "same-origin",
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return (await answer.json()) as T;
}

/** JSON to what the browser takes; by hand, because older browsers lack `parseCreationOptionsFromJSON`. */
function decoded(o: Record<string, unknown>): unknown {
  const ids = (list: unknown) => ((list as { id: string }[]) ?? []).map((c) => ({ ...c, id: bytes(c.id) }));
  const user = o.user as { id: string } | undefined;
  return {
    ...o,
    challenge: bytes(o.challenge as string),
    ...(user && { user: { ...user, id: bytes(user.id) } }),
    ...(o.excludeCredentials ? { excludeCredentials: ids(o.excludeCredentials) } : {}),
    ...(o.allowCredentials ? { allowCredentials: ids(o.allowCredentials) } : {}),
  };
}

function encoded(c: PublicKeyCredential): unknown {
  const r = c.response;
  const common = { clientDataJSON: text(r.clientDataJSON) };
  const response =
    r instanceof AuthenticatorAttestationResponse
      ? { ...common, attestationObject: text(r.attestationObject) }
      : {
          ...common,
          authenticatorData: text((r as AuthenticatorAssertionResponse).authenticatorData),
          signature: text((r as AuthenticatorAssertionResponse).signature),
          userHandle: text((r as AuthenticatorAssertionResponse).userHandle),
        };
  return { id: c.id, rawId: text(c.rawId), type: c.type, response };
}

class KrPasskey extends HTMLElement {
  connectedCallback(): void {
    this.hidden = false;
    const button = this.querySelector("button");
    if (!window.PublicKeyCredential || !button) {
      if (button) button.hidden = true;
      this.#say("old");
      return;
    }
    button.addEventListener("click", () => void this.#run(button));
  }

  #say(what: "failed" | "old" | ""): void {
    const status = this.querySelector("[role=status]");
    if (status) status.textContent = what && (this.dataset[what] ?? "");
  }

  async #run(button: HTMLButtonElement): Promise<void> {
    button.disabled = true;
    this.#say("");
    try {
      const start = await post<Options>(this.getAttribute("start") ?? "", { next: this.getAttribute("next") ?? "" });
      const publicKey = decoded(start.publicKey);
      const made =
        this.getAttribute("mode") === "create"
          ? await navigator.credentials.create({ publicKey: publicKey as PublicKeyCredentialCreationOptions })
          : await navigator.credentials.get({ publicKey: publicKey as PublicKeyCredentialRequestOptions });
      if (!(made instanceof PublicKeyCredential)) throw new Error("no credential");
      const { ticket, secret } = start;
      const end = await post<{ location: string }>(this.getAttribute("finish") ?? "", {
        ticket,
        secret,
        answer: encoded(made),
      });
      location.assign(end.location);
    } catch {
      this.#say("failed");
      button.disabled = false;
    }
  }
}

/** <kr-wait src="…" form="…">: asks every two seconds whether something elsewhere is done, then sends the form. */
class KrWait extends HTMLElement {
  #timer = 0;

  connectedCallback(): void {
    this.#timer = window.setInterval(() => void this.#ask(), 2000);
  }

  disconnectedCallback(): void {
    clearInterval(this.#timer);
  }

  async #ask(): Promise<void> {
    if (document.hidden) return;
    try {
      const answer = await fetch(this.getAttribute("src") ?? "", { credentials: "same-origin" });
      if (!answer.ok || !((await answer.json()) as { done: boolean }).done) return;
      clearInterval(this.#timer);
      (document.getElementById(this.getAttribute("form") ?? "") as HTMLFormElement | null)?.requestSubmit();
    } catch {
      // The next round asks again; the button works without this.
    }
  }
}

customElements.define("kr-passkey", KrPasskey);
customElements.define("kr-wait", KrWait);
