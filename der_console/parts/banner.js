// Says so while the headend does not answer the console, or the console does not answer this page.
export default {
  props: { topic: String, initial: Object, headend: String },
  template: `<div class="banner-place" role="alert"><div v-if="text" :class="['banner', { console: alone }]"><strong>{{ text }}</strong> <span>{{ what }}</span></div><p v-else-if="anew" class="notice">The connection to the console was lost at {{ anew }} and this page was loaded anew. Nothing was sent since; what had been typed is gone.</p></div>`,
  // What fades with it is told by classes of the body: a `:has` there is looked at again for every row that scrolls by.
  watch: {
    lost: { immediate: true, handler: (yes) => document.body.classList.toggle("lost", yes) },
    alone: { immediate: true, handler: (yes) => document.body.classList.toggle("unheard", yes) },
  },
  computed: {
    lost() {
      return this.text !== "";
    },
    alone() {
      return der.offlineSince() !== null;
    },
    anew() {
      return der.lostAt === null ? "" : `${der.moment(der.lostAt)} UTC`;
    },
    link() {
      return der.cell(this.topic, "link") ?? this.initial ?? {};
    },
    since() {
      return der.offlineSince() ?? (this.link.s === "bad" ? this.link.at : null);
    },
    text() {
      if (this.since === null || this.since === undefined) return "";
      const who = this.alone ? "the console" : "the headend";
      return `No connection to ${who} since ${der.moment(this.since)} UTC (${der.span(der.now() - this.since)})`;
    },
    what() {
      const how = "Values are the last known ones. It reconnects by itself.";
      return this.alone ? `Nothing can be sent meanwhile. ${how}` : `${this.headend}: ${der.cell(this.topic, "why")?.t ?? "no answer"}. ${how}`;
    },
  },
};
