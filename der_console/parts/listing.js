// A short table of live rows; Vue moves and changes what differs and leaves the rest alone.
export default {
  props: { topic: String, name: String, columns: Array, label: String, empty: String, initial: Object, blocks: Boolean, asOf: String, initialAsOf: Object, trouble: String, initialTrouble: Object },
  emits: ["act", "more"],
  template: `<div class="scroll" tabindex="0" role="group" :aria-label="label"><p role="status" :class="{ notice: said }">{{ said }}</p>
    <p v-if="!rows" class="empty">Not heard yet.</p><p v-else-if="!rows.length" class="empty">{{ empty }}</p>
    <table v-else :class="['list', { blocks }]"><thead><tr><th v-for="c in columns" :key="c.name" scope="col" :class="column(c)">{{ c.label }}</th></tr></thead>
      <tbody><tr v-for="row in rows" :key="row.id"><td v-for="c in columns" :key="c.name" :class="column(c)" :data-label="c.label">
        <button v-if="cell(row, c).do" type="button" class="button plain" @click="$emit('act', cell(row, c).do, row.id)">{{ cell(row, c).t }}</button>
        <a v-else-if="cell(row, c).h" :href="cell(row, c).h" :class="look(row, c)"><span class="number">{{ shown(row, c) }}</span></a>
        <span v-else-if="cell(row, c).bar" :class="['bar', cell(row, c).d]" aria-hidden="true"><i v-if="cell(row, c).bar.track" class="bar-track" :style="stretch(...cell(row, c).bar.track)"></i><i class="bar-fill" :style="stretch(cell(row, c).bar.from, cell(row, c).bar.to)"></i><i class="bar-zero" :style="{ left: cell(row, c).bar.zero + '%' }"></i><i v-if="cell(row, c).bar.mark !== null" class="bar-mark" :style="{ left: cell(row, c).bar.mark + '%' }"></i></span>
        <span v-else :class="look(row, c)" :title="hint(row, c)"><span class="number">{{ shown(row, c) }}</span></span>
        <span v-if="cell(row, c).b" class="below">{{ cell(row, c).b }}</span>
      </td></tr></tbody></table><button v-if="whole?.more" type="button" class="button plain more" @click="$emit('more')">Show more</button></div>`,
  computed: {
    whole() {
      return der.cell(this.topic, this.name) ?? this.initial;
    },
    rows() {
      return this.whole?.rows;
    },
    said() {
      return (der.cell(this.topic, this.trouble) ?? this.initialTrouble)?.t ?? "";
    },
    stale() {
      const at = (der.cell(this.topic, this.asOf) ?? this.initialAsOf)?.at;
      return at !== undefined && der.now() - at > der.staleAfter;
    },
  },
  methods: {
    column: (column) => ({ right: column.kind === "number", words: column.kind === "words", wide: column.wide }),
    stretch: (from, to) => ({ left: `${from}%`, width: `${to - from}%` }),
    cell(row, column) {
      const value = row[column.name];
      if (value === null || value === undefined) return { t: "–", s: "unknown" };
      return typeof value === "object" ? value : { t: value };
    },
    look(row, column) {
      const cell = this.cell(row, column);
      return ["value", cell.s, cell.d, { stale: this.stale && column.kind === "number" }];
    },
    shown(row, column) {
      const cell = this.cell(row, column);
      if (cell.at === undefined) return cell.t;
      if (column.kind === "ago") return der.span(der.now() - cell.at) + " ago";
      return column.kind === "time" ? der.moment(cell.at, der.now()) : cell.t;
    },
    hint(row, column) {
      const cell = this.cell(row, column);
      if (cell.s === "unknown") return "unknown";
      return cell.at === undefined ? null : der.date(cell.at);
    },
  },
};
