// Lines over time. The data are columns; what is new is added at the end, and gaps stay gaps. What goes on by itself
// ends now, so that silence is seen as room at its end.
import { echarts } from "nicegui-echart";

const LEAST_S = 120; // a live chart begins with its first value and is at least so wide
const PAST_HOLDS_S = 30; // what is live may follow so long after the past
const HOLDS_S = 20; // later than this, or three usual steps, and nobody knows what was between
const REDRAWN_MS = 5000; // also when nothing comes
const STEPPED = ["setpoint", "limit", "sum", "one"]; // a sum changes at once when an asset is heard no more
const UNDRAWN = ["low", "high", "missing"]; // what is no line of its own

const ONES = {
  light: ["#0b5cad", "#0a6c5f", "#9a4d00", "#7a3fb0", "#b01c6a", "#4a6a12", "#1f7a99", "#6b5b4b"],
  dark: ["#6cb4ff", "#52d6c0", "#ffb566", "#c9a5ff", "#ff8fc4", "#b5d96a", "#6fd3f0", "#d3c2b0"],
};

export default {
  props: { series: Array, initial: Object, label: String, channel: String, span: Number },
  template: `<div role="img" :aria-label="label"><div ref="place" class="chart-place"></div></div>`,
  mounted() {
    this.reach = this.span;
    this.step = null;
    this.lines = this.series;
    this.data = this.initial;
    this.chart = echarts.init(this.$refs.place, null, { renderer: "canvas" });
    this.observer = new ResizeObserver(() => this.chart.resize());
    this.observer.observe(this.$refs.place);
    this.$watch(() => der.dark(), () => this.draw(true));
    this.draw(true);
    if (this.channel) der.listen(this.channel, this.add);
    this.timer = setInterval(() => this.reach && this.draw(), REDRAWN_MS);
  },
  unmounted() {
    clearInterval(this.timer);
    this.observer.disconnect();
    this.chart.dispose();
  },
  methods: {
    show(data, span) {
      this.data = data;
      this.reach = span;
      this.step = null;
      this.draw();
    },
    // `more` with `series` begins anew with other lines; without, it is added at the end.
    add(more) {
      if (more.series) {
        this.lines = more.series;
        this.data = more;
        return void this.draw(true);
      }
      if (this.reach === null || this.reach === undefined) return;
      more = this.apart(this.later(more));
      const from = more.t.length ? more.t[more.t.length - 1] - this.reach : 0;
      const first = Math.max(0, this.data.t.findIndex((t) => t >= from));
      this.data = {
        t: [...this.data.t.slice(first), ...more.t],
        s: this.data.s.map((values, i) => [...values.slice(first), ...(more.s[i] ?? [])]),
      };
      this.draw();
    },
    // What was measured while the page was built is in its first data and may come once more.
    later(more) {
      const known = more.t.filter((t) => t <= this.data.t[this.data.t.length - 1]).length;
      return { t: more.t.slice(known), s: more.s.map((values) => values.slice(known)) };
    },
    apart(more) {
      const last = this.data.t[this.data.t.length - 1];
      if (last === undefined || !more.t.length) return more;
      const step = more.t[0] - last;
      const holds = this.step === null ? PAST_HOLDS_S : Math.max(HOLDS_S, 3 * this.step);
      this.step = Math.min(this.step ?? PAST_HOLDS_S, step);
      if (step <= holds) return more;
      const between = (values, i) => (this.lines[i]?.look === "missing" ? values[0] : null);
      return { t: [last + 1, ...more.t], s: more.s.map((values, i) => [between(values, i), ...values]) };
    },
    points(i) {
      return this.data.t.map((t, k) => [t * 1000, this.data.s[i]?.[k] ?? null]);
    },
    missing(k) {
      return this.data.s[this.lines.findIndex((s) => s.look === "missing")]?.[k] ?? 0;
    },
    // The stretches of time in which not every asset was heard.
    partial() {
      const { t } = this.data;
      const edges = t.filter((_, k) => this.missing(k) > 0 !== (k > 0 && this.missing(k - 1) > 0));
      if (edges.length % 2) edges.push(t[t.length - 1]);
      return edges.flatMap((at, i) => (i % 2 ? [] : [[{ xAxis: at * 1000 }, { xAxis: edges[i + 1] * 1000 }]]));
    },
    draw(anew = false) {
      const css = getComputedStyle(document.documentElement);
      const color = (name) => css.getPropertyValue(`--${name}`).trim();
      const ones = ONES[der.dark() ? "dark" : "light"];
      let one = 0;
      const series = this.lines.map((s, i) => {
        const looks = {
          power: { color: color("accent"), width: 2 },
          sum: { color: color("text"), width: 6, opacity: 0.35 },
          setpoint: { color: color("warn"), width: 1.5, type: "dashed" },
          limit: { color: color("strong-line"), width: 1, type: "dotted" },
          soc: { color: color("out"), width: 1.5 },
          low: { opacity: 0 },
          high: { opacity: 0 },
          missing: { opacity: 0 },
        };
        const line = looks[s.look] ?? { color: ones[one++ % ones.length], width: 1.5 };
        const made = {
          name: s.name, type: "line", showSymbol: false, silent: true, animation: false, lineStyle: line,
          itemStyle: { color: line.color ?? color("accent"), opacity: line.opacity ?? 1 }, data: this.points(i), connectNulls: false,
          step: STEPPED.includes(s.look) ? "end" : false, yAxisIndex: s.look === "soc" ? 1 : 0, z: { power: 4, sum: 2 }[s.look] ?? 3,
        };
        if (s.look === "missing") return { ...made, data: [], markArea: { silent: true, itemStyle: { color: color("strong-line"), opacity: 0.25 }, data: this.partial() } };
        if (s.look === "low") made.stack = "band";
        if (s.look === "high") {
          made.stack = "band";
          made.areaStyle = { color: color("accent"), opacity: 0.16 };
          const low = this.data.s[i - 1];
          made.data = this.data.t.map((t, k) => [t * 1000, this.data.s[i][k] === null || low[k] === null ? null : this.data.s[i][k] - low[k]]);
        }
        if (["low", "high"].includes(s.look)) Object.assign(made, { stackStrategy: "all", tooltip: { show: false }, z: 1 });
        return made;
      });
      if (!anew) return this.chart.setOption({ series, xAxis: this.reachOfTime() });
      const soc = this.lines.some((s) => s.look === "soc");
      const axis = { axisLine: { lineStyle: { color: color("line") } }, axisLabel: { color: color("quiet"), fontSize: 11 }, splitLine: { lineStyle: { color: color("line"), opacity: 0.7 } } };
      this.chart.setOption(
        {
          animation: false,
          useUTC: true,
          textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
          grid: { left: 8, right: soc ? 8 : 16, top: 52, bottom: 8, containLabel: true },
          legend: { data: this.lines.filter((s) => !UNDRAWN.includes(s.look)).map((s) => s.name), type: "scroll", top: 0, right: 0, itemWidth: 18, itemHeight: 8, icon: "roundRect", itemStyle: { borderWidth: 0 }, textStyle: { color: color("quiet"), fontSize: 11, lineHeight: 18 }, pageTextStyle: { color: color("quiet") }, inactiveColor: color("line") },
          tooltip: { trigger: "axis", transitionDuration: 0, backgroundColor: color("surface"), borderColor: color("line"), textStyle: { color: color("text"), fontSize: 12 }, formatter: this.tip },
          xAxis: { type: "time", ...this.reachOfTime(), ...axis, splitLine: { show: false }, axisLabel: { ...axis.axisLabel, hideOverlap: true } },
          yAxis: [{ type: "value", scale: true, name: "MW", nameTextStyle: { color: color("quiet"), align: "left" }, ...axis, axisLabel: { ...axis.axisLabel, formatter: (value) => String(value).replace("-", "−") } }, ...(soc ? [{ type: "value", min: 0, max: 100, name: "SOC %", nameTextStyle: { color: color("quiet"), align: "center" }, ...axis, splitLine: { show: false } }] : [])],
          series,
        },
        { notMerge: true },
      );
    },
    reachOfTime() {
      if (!this.reach || !this.data.t.length) return { min: null, max: null };
      const first = this.data.t[0];
      const end = Math.max(der.now(), this.data.t[this.data.t.length - 1]);
      const start = Math.max(end - this.reach, Math.min(first, end - LEAST_S));
      return { min: start * 1000, max: end * 1000 };
    },
    tip(items) {
      if (!items.length) return "";
      const place = document.createElement("div");
      const head = document.createElement("strong");
      head.textContent = der.date(items[0].value[0] / 1000);
      place.append(head);
      for (const item of items) {
        if (UNDRAWN.includes(this.lines[item.seriesIndex].look)) continue;
        const value = item.value[1];
        const soc = this.lines[item.seriesIndex].look === "soc";
        const line = document.createElement("div");
        const shown = value === null ? "unknown" : soc ? `${value.toFixed(1)} %` : `${der.signed(value)} MW`;
        line.textContent = `${item.seriesName}: ${shown}`;
        place.append(line);
      }
      const missing = this.missing(items[0].dataIndex);
      if (missing) place.append(`${missing} ${missing === 1 ? "asset" : "assets"} not heard`);
      return place;
    },
  },
};
