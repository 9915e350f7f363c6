// Steps with their times to the millisecond, and how long each took; those to come are faded.
export default {
  props: { topic: String, name: String, label: String, initial: Object },
  template: `<ol class="steps" :aria-label="label"><li v-for="(step, i) in steps" :key="step.id" :class="['step', step.s, { ahead: step.at === undefined }]" :aria-current="i === now ? 'step' : undefined">
    <strong class="step-name">{{ step.t }}</strong>
    <template v-if="step.at !== undefined"><span class="step-time" :title="exact(step.at)">{{ time(step.at) }}</span>
      <span v-if="i" class="step-took">{{ took(step.at - steps[i - 1].at) }}</span>
      <span class="step-by">{{ step.by }}</span><span v-if="step.why" class="step-why">{{ step.why }}</span></template>
    <span v-else class="step-by">not yet</span></li></ol>`,
  computed: {
    steps() {
      return (der.cell(this.topic, this.name) ?? this.initial)?.rows ?? [];
    },
    now() {
      return this.steps.findLastIndex((step) => step.at !== undefined);
    },
  },
  methods: {
    exact: (at) => der.date(at),
    time: (at) => `${der.moment(at, der.now())}.${String(Math.round(at * 1000) % 1000).padStart(3, "0")} UTC`,
    took(seconds) {
      if (seconds < 1) return `after ${Math.max(0, Math.round(seconds * 1000))} ms`;
      return seconds < 60 ? `after ${seconds.toFixed(1)} s` : `after ${der.span(seconds)}`;
    },
  },
};
