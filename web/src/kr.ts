// Loaded by every page. Everything here only adds to pages that work without it.
import "./kr-live";
import "./kr-map";

// Forms and fragments marked for htmx load it; other pages do not pay for it.
if (document.querySelector("[hx-get],[hx-post],[hx-put],[hx-delete],[hx-boost]")) void import("./htmx");

// Passkeys and waiting for a card: only the pages of いしかわID have them.
if (document.querySelector("kr-passkey,kr-wait")) void import("./kr-passkey");
