// What all parts of a page share: cells by topic, the console's clock, the theme. Loaded before anything is shown.
window.der = (() => {
  const staleAfter = Number(document.currentScript.dataset.staleAfter); // seconds
  let state;
  let behind = 0; // seconds by which this browser's clock is behind the console's
  const listeners = new Map();
  const missed = new Map();

  // Vue comes as a module, later than this file, so the state is made when it is first asked for.
  const shared = () => {
    if (!state) {
      state = Vue.reactive({ topics: {}, now: Date.now() / 1000, offline: null, dark: isDark() });
      setInterval(tick, 1000);
    }
    return state;
  };
  const lost = () => Boolean(window.did_handshake && window.socket && !window.socket.connected);
  const tick = () => {
    state.now = Date.now() / 1000 + behind;
    if (lost() === (state.offline !== null)) return;
    state.offline = lost() ? state.now : null;
    remember(lost() && document.querySelector(".page form") ? state.offline : null);
  };

  // A console that was started anew makes the page load anew, which then says so where there was something to type.
  const remember = (at) => {
    try {
      if (at === null) sessionStorage.removeItem("der-lost");
      else sessionStorage.setItem("der-lost", at);
    } catch {
      /* then it is not said */
    }
  };
  const lostBefore = () => {
    try {
      const at = sessionStorage.getItem("der-lost");
      sessionStorage.removeItem("der-lost");
      return at !== null && performance.getEntriesByType("navigation")[0]?.type === "reload" ? Number(at) : null;
    } catch {
      return null;
    }
  };

  // The socket would keep what is clicked while the console is away, and send it whenever it is back.
  const hold = (event) => {
    if (!lost() || !event.target.closest?.(".page form, .page button:not(dialog button:not(.danger))")) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  document.addEventListener("submit", hold, true);
  document.addEventListener("click", (event) => event.target.closest?.("button") && hold(event), true);

  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const theme = () => {
    try {
      return localStorage.getItem("der-theme") ?? "system";
    } catch {
      return "system";
    }
  };
  const isDark = () => (theme() === "system" ? system.matches : theme() === "dark");
  const applyTheme = () => {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    if (state) state.dark = isDark();
    window.Quasar?.Dark.set(isDark());
  };
  system.addEventListener("change", applyTheme);
  applyTheme();

  return {
    staleAfter,
    cell: (topic, name) => shared().topics[topic]?.[name],
    now: () => shared().now,
    offlineSince: () => shared().offline,
    lostAt: lostBefore(),
    dark: () => shared().dark,
    put(topic, cells, now) {
      behind = now - Date.now() / 1000;
      Object.assign((shared().topics[topic] ??= {}), cells);
    },
    // What is sent before its listener is there is kept for it.
    send(channel, payload) {
      const listener = listeners.get(channel);
      if (listener) listener(payload);
      else missed.set(channel, [...(missed.get(channel) ?? []), payload].slice(-100));
    },
    listen(channel, listener) {
      listeners.set(channel, listener);
      (missed.get(channel) ?? []).forEach(listener);
      missed.delete(channel);
    },
    span(seconds) {
      const s = Math.round(Math.max(0, seconds));
      if (s < 120) return `${s} s`;
      if (s < 7200) return `${Math.round(s / 60)} min`;
      return s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} d`;
    },
    // Time of day in UTC, with its date unless it is of today; who shows it says that it is UTC.
    moment(at, now = Date.now() / 1000) {
      const [day, today] = [at, now].map((s) => new Date(s * 1000).toISOString().slice(0, 10));
      const time = new Date(at * 1000).toISOString().slice(11, 19);
      return day === today ? time : `${day} ${time}`;
    },
    date: (at) => `${new Date(at * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`,
    // As `cells.direction`, `cells.signed` and `cells.number`.
    direction: (mw) => (Math.abs(mw) <= 0.00005 ? "zero" : mw > 0 ? "out" : "in"),
    signed(mw) {
      const sign = { out: "+", in: "−", zero: "" }[this.direction(mw)];
      return sign + this.number(sign ? Math.abs(mw) : 0);
    },
    number(value) {
      const size = Math.round(Math.abs(value) * 10000) / 10000;
      const digits = size > 0 && size < 0.1 ? 4 : size < 100 ? 2 : size < 10000 ? 1 : 0;
      const shown = value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
      return shown.replace("-", "−");
    },
    theme,
    setTheme(name) {
      try {
        localStorage.setItem("der-theme", name);
      } catch {
        /* private windows may not remember */
      }
      applyTheme();
    },
    applyTheme,
  };
})();
