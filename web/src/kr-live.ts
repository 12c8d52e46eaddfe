/**
 * <kr-live id="…" every="60" src="…">: keeps a part of the page fresh.
 *
 * Every `every` seconds, while the page is visible, it fetches `src` (by default this page) and takes over the
 * element with its own id from the answer, so no route of its own is needed. What carries `data-announce`
 * inside is read out when its text changes. `data-stale` holds the sentence shown when two attempts failed in a
 * row; `{time}` in it becomes the time of the last answer. Focus stays where it was, or on the link with the
 * same address. Never put a <kr-map> inside.
 */
class KrLive extends HTMLElement {
  #timer = 0;
  #failed = 0;
  #last = new Date();
  #said?: HTMLElement;
  readonly #wake = () => this.#plan();

  connectedCallback(): void {
    document.addEventListener("visibilitychange", this.#wake);
    this.#plan();
  }

  disconnectedCallback(): void {
    document.removeEventListener("visibilitychange", this.#wake);
    clearTimeout(this.#timer);
  }

  #plan(): void {
    clearTimeout(this.#timer);
    if (document.hidden) return;
    const every = Math.max(5, Number(this.getAttribute("every")) || 60) * 1000;
    const due = this.#last.getTime() + every - Date.now();
    this.#timer = window.setTimeout(() => void this.#refresh(), Math.max(this.#failed ? every : 0, due));
  }

  async #refresh(): Promise<void> {
    try {
      const answer = await fetch(this.getAttribute("src") ?? location.href, {
        headers: { Accept: "text/html" },
        credentials: "same-origin",
      });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(this.id);
      if (!fresh) throw new Error(`no #${this.id} in the answer`);
      this.#failed = 0;
      this.#last = new Date();
      this.#take(fresh);
    } catch {
      this.#failed += 1;
      if (this.#failed === 2) this.#warn();
    }
    this.#plan();
  }

  #take(fresh: HTMLElement): void {
    const before = this.querySelector("[data-announce]")?.textContent;
    if (this.#said) this.#said.remove();
    if (fresh.innerHTML !== this.innerHTML) {
      const focused = this.contains(document.activeElement) ? document.activeElement : null;
      // Somebody typing here is not interrupted; the next round catches up.
      if (focused?.matches("input, select, textarea")) return;
      const href = focused?.getAttribute("href");
      const id = focused?.id;
      this.replaceChildren(...fresh.childNodes);
      const again = id
        ? document.getElementById(id)
        : [...this.querySelectorAll("a")].find((a) => a.getAttribute("href") === href);
      if (focused) again?.focus({ preventScroll: true });
    }
    const after = this.querySelector("[data-announce]")?.textContent;
    if (after && after !== before) announce(after);
    this.#said = undefined;
  }

  #warn(): void {
    const text = this.dataset.stale;
    if (!text) return;
    const said = document.createElement("p");
    said.className = "kr-live__stale";
    said.textContent = text.replace(
      "{time}",
      this.#last.toLocaleTimeString(document.documentElement.lang, { timeStyle: "short" }),
    );
    this.prepend(said);
    this.#said = said;
    announce(said.textContent);
  }
}

/** Reads a text out. The region stays in the page, because one that is added with its text is often not heard. */
export function announce(text: string): void {
  let region = document.getElementById("kr-said");
  if (!region) {
    region = document.createElement("div");
    region.id = "kr-said";
    region.className = "kr-hidden";
    region.setAttribute("role", "status");
    document.body.append(region);
  }
  region.textContent = text;
}

customElements.define("kr-live", KrLive);
