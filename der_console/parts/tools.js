// Theme and help: both are the browser's own business and work while nothing is connected.
const GO = { f: "/", d: "/ui/dispatch", e: "/ui/events", a: "/ui/agents" };
const NAMES = { system: "System theme", light: "Light theme", dark: "Dark theme" };
export default {
  template: `<div class="tools">
    <button type="button" class="button plain" @click="next" :aria-label="label" :title="label"><span aria-hidden="true">{{ icon }}</span></button>
    <button type="button" class="button plain" @click="help" aria-label="Keyboard shortcuts" title="Keyboard shortcuts (?)"><span aria-hidden="true">?</span></button>
    <dialog ref="help" class="help" aria-labelledby="help-title"><h2 id="help-title">Keyboard shortcuts</h2>
      <dl><dt><kbd>g</kbd> <kbd>f</kbd></dt><dd>Fleet</dd><dt><kbd>g</kbd> <kbd>d</kbd></dt><dd>Dispatch</dd>
      <dt><kbd>g</kbd> <kbd>e</kbd></dt><dd>Events and alarms</dd><dt><kbd>g</kbd> <kbd>a</kbd></dt><dd>Agents</dd>
      <dt><kbd>/</kbd></dt><dd>Search the table</dd><dt><kbd>t</kbd></dt><dd>Theme: system, light, dark</dd>
      <dt><kbd>?</kbd></dt><dd>This list</dd><dt><kbd>Esc</kbd></dt><dd>Close</dd></dl>
      <form method="dialog"><button class="button primary">Close</button></form></dialog></div>`,
  data: () => ({ theme: der.theme(), prefix: 0 }),
  computed: {
    icon() {
      return { system: "◐", light: "○", dark: "●" }[this.theme];
    },
    label() {
      return `${NAMES[this.theme]}; switch (t)`;
    },
  },
  mounted() {
    der.applyTheme();
    document.addEventListener("keydown", this.key);
  },
  unmounted() {
    document.removeEventListener("keydown", this.key);
  },
  methods: {
    next() {
      const order = ["system", "light", "dark"];
      this.theme = order[(order.indexOf(this.theme) + 1) % 3];
      der.setTheme(this.theme);
    },
    help() {
      if (!this.$refs.help.open) this.$refs.help.showModal();
    },
    key(event) {
      const at = event.target;
      if (event.ctrlKey || event.metaKey || event.altKey || at.isContentEditable) return;
      if (/^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName) || document.querySelector("dialog[open]")) return;
      const started = Date.now() - this.prefix < 1500;
      this.prefix = 0;
      if (started && GO[event.key]) window.location.href = GO[event.key];
      else if (event.key === "g") this.prefix = Date.now();
      else if (event.key === "t") this.next();
      else if (event.key === "?") this.help();
      else if (event.key === "/") {
        const search = document.querySelector("input[type=search]");
        if (!search) return;
        search.focus();
        event.preventDefault();
      }
    },
  },
};
