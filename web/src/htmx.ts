import htmx from "htmx.org";

// The CSP forbids eval and inline styles; requests go to our own host only.
htmx.config.allowEval = false;
htmx.config.includeIndicatorStyles = false;
htmx.config.selfRequestsOnly = true;
