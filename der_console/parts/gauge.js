// A bar from 0 to 100 %, with marks at the bounds that are kept.
export default {
  props: { topic: String, name: String, label: String, initial: Object },
  template: `<div class="gauge" :class="cell.s" v-bind="spoken">
    <div v-if="soc !== null" class="gauge-fill" :style="{ width: soc + '%' }"></div>
    <template v-if="soc !== null"><div class="gauge-mark" :style="{ left: cell.gauge[1] + '%' }"></div><div class="gauge-mark" :style="{ left: cell.gauge[2] + '%' }"></div></template></div>`,
  computed: {
    // A meter must have a value.
    spoken() {
      if (this.soc === null) return { role: "img", "aria-label": `${this.label}: unknown` };
      return { role: "meter", "aria-label": this.label, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": this.soc, "aria-valuetext": `${this.cell.t} %` };
    },
    cell() {
      return der.cell(this.topic, this.name) ?? this.initial ?? { t: "–", s: "unknown" };
    },
    soc() {
      return this.cell.gauge ? Math.min(100, Math.max(0, this.cell.gauge[0])) : null;
    },
  },
};
