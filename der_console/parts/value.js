// One cell of a topic. It looks stale by itself as time passes, whether or not anything more is heard.
export default {
  props: { topic: String, name: String, unit: String, age: Boolean, initial: Object },
  template: `<span :class="['value', cell.s, cell.d, { stale }]" :title="title"><template v-if="unknown"><span aria-hidden="true">–</span><span class="sr">unknown</span></template><template v-else><span class="number">{{ cell.t }}</span><span v-if="unit" class="unit">{{ unit }}</span></template><span v-if="shownAge" class="age">{{ shownAge }}</span></span>`,
  computed: {
    cell() {
      return der.cell(this.topic, this.name) ?? this.initial ?? { t: "–", s: "unknown" };
    },
    unknown() {
      return this.cell.s === "unknown";
    },
    seconds() {
      return this.cell.at === undefined ? null : Math.max(0, der.now() - this.cell.at);
    },
    stale() {
      return this.seconds !== null && this.seconds > der.staleAfter;
    },
    shownAge() {
      if (this.seconds === null || !(this.age || this.stale)) return "";
      return der.span(this.seconds) + " old";
    },
    title() {
      if (this.unknown) return "unknown";
      return this.cell.at === undefined ? null : `measured ${der.moment(this.cell.at, der.now())} UTC`;
    },
  },
};
