// A button that goes when there is nothing left for it to do.
export default {
  props: { text: String, kind: String, topic: String, name: String, initial: Object },
  emits: ["press"],
  template: `<button v-show="shown" type="button" :class="['button', kind]" @click="$emit('press')">{{ text }}</button>`,
  computed: {
    shown() {
      return Boolean((der.cell(this.topic, this.name) ?? this.initial)?.t);
    },
  },
};
