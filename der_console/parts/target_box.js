// A combobox as the ARIA practices describe it: arrows move, Enter chooses, Escape closes. What is offered comes from the
// console, a moment after it was typed: Enter waits for the answer to what is typed, and never takes one of before.
// From the first letter on nothing is chosen (`settled` is null) until the console knows which one is meant: what was
// chosen before never comes back by itself.
export default {
  props: { label: String, hint: String, options: Array, answered: String, chosen: String, outcome: Object },
  emits: ["search", "choose", "doubt", "settle"],
  template: `<div class="field combo"><label :for="name">{{ label }}</label>
    <input :id="name" class="input" type="text" role="combobox" autocomplete="off" spellcheck="false" aria-autocomplete="list" :placeholder="hint"
      :aria-invalid="problem ? 'true' : undefined" :aria-expanded="open" :aria-controls="name + '-list'" :aria-activedescendant="open && at >= 0 ? name + '-' + at : undefined"
      v-model="text" @input="typed" @focus="focused" @click="show" @keydown="key" @blur="left">
    <ul v-show="open" :id="name + '-list'" role="listbox" :aria-label="label" class="combo-list">
      <li v-for="(o, i) in options" :key="o.key" :id="name + '-' + i" role="option" :aria-selected="i === at" @mousedown.prevent @click="choose(o)" @mousemove="at = i">
        <span>{{ o.name }}</span> <span class="about">{{ o.about }}</span></li>
      <li v-if="!options.length" class="about" role="option" aria-disabled="true" aria-selected="false">Nothing has this in its name.</li></ul>
    <div role="alert"><p v-if="problem" class="problem">{{ problem }}</p></div></div>`,
  data() {
    return { name: `target-${Math.random().toString(36).slice(2, 8)}`, text: this.chosen, settled: this.chosen, open: false, at: -1, asked: null, entered: false, problem: "" };
  },
  computed: {
    ready() {
      return this.answered === this.asked;
    },
  },
  watch: {
    outcome({ typed, name, problem }) {
      if (this.settled !== null || typed !== this.text) return;
      this.problem = problem;
      if (!problem) this.settled = this.text = name;
    },
    options() {
      this.at = this.ready && this.options.length ? 0 : -1;
      if (this.entered && this.ready) this.enter();
    },
  },
  methods: {
    focused(event) {
      event.target.select();
    },
    show() {
      if (this.open) return;
      this.open = true;
      this.asked = this.text === this.settled ? "" : this.text;
      this.$emit("search", this.asked);
    },
    typed() {
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => this.$emit("search", this.asked), 80);
      this.asked = this.text;
      this.open = true;
      this.entered = false;
      this.at = -1;
      this.problem = "";
      if (!this.text.trim()) {
        if (this.settled !== "") this.settle(null, "");
      } else if (this.settled !== null) {
        this.settled = null;
        this.$emit("doubt");
      }
    },
    key(event) {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        if (!this.open) return this.show();
        const count = this.options.length;
        if (count) this.at = (this.at + (event.key === "ArrowDown" ? 1 : count - 1)) % count;
        this.$nextTick(() => document.getElementById(`${this.name}-${this.at}`)?.scrollIntoView({ block: "nearest" }));
      } else if (event.key === "Enter" && this.open) {
        event.preventDefault();
        this.enter();
      } else if (event.key === "Enter") {
        this.left();
      } else if (event.key === "Escape" && this.open) {
        event.stopPropagation();
        this.close();
      }
    },
    enter() {
      this.entered = !this.ready;
      if (!this.ready) return;
      if (this.at >= 0) this.choose(this.options[this.at]);
      else this.left();
    },
    choose(option) {
      clearTimeout(this.waiting);
      this.settle(option.key, option.name);
      this.close();
    },
    settle(key, name) {
      this.settled = this.text = name;
      this.$emit("choose", key);
    },
    left() {
      clearTimeout(this.waiting);
      this.close();
      if (this.settled === null && !this.problem) this.$emit("settle", this.text);
    },
    close() {
      this.open = this.entered = false;
    },
  },
};
