// Whether values are live: as the console says, unless the console itself is not heard.
export default {
  props: { topic: String, initial: Object },
  template: `<span :class="['value', 'link-state', cell.s]"><span class="number">{{ cell.t }}</span></span>`,
  computed: {
    cell() {
      if (der.offlineSince() !== null) return { t: "No connection", s: "bad" };
      return der.cell(this.topic, "link") ?? this.initial ?? { t: "Connecting", s: "quiet" };
    },
  },
};
