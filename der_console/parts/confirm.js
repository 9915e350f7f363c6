// A modal question. It closes with the answer, so that a second click has nothing to hit.
export default {
  props: { title: String, what: String, yes: String, no: String, possible: Boolean },
  emits: ["yes"],
  template: `<dialog ref="box" class="confirm" :aria-labelledby="name" :aria-describedby="name + '-what'"><h2 :id="name">{{ title }}</h2><slot></slot>
    <p :id="name + '-what'" role="status">{{ what }}</p>
    <div class="row tight"><button type="button" class="button danger" :disabled="!possible" @click="agree">{{ yes }}</button><button ref="no" type="button" class="button" @click="$refs.box.close()">{{ no }}</button></div></dialog>`,
  data: () => ({ name: `confirm-${Math.random().toString(36).slice(2, 8)}` }),
  methods: {
    ask() {
      if (!this.$refs.box.open) this.$refs.box.showModal();
      this.$refs.no.focus();
    },
    agree() {
      if (!this.$refs.box.open) return;
      this.$refs.box.close();
      this.$emit("yes");
    },
  },
};
