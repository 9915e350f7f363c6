// A table of up to ten thousand live rows. It fetches all of them once and then applies what changed, in batches.
import * as AgGrid from "nicegui-aggrid";

const FEW_ROWS = 15; // so many need no scrolling of their own
const MOST_CHOICES = 200;
const NARROWER = 0.7; // of a column's width, on a phone
const RELOOK_MS = 5000;
const CAPTIONS = { live: "live", stale: "stale", off: "disconnected", unknown: "unknown" };

export default {
  props: { channel: String, url: String, columns: Array, label: String, link: String },
  template: `<div class="grid-place"><div class="grid-tools">
      <label class="field"><span class="label">Search</span><input class="input" type="search" aria-label="Search" v-model="search" @input="filter" placeholder="A part of any name" autocomplete="off"></label>
      <label v-for="c in choices" :key="c.name" class="field"><span class="label">{{ c.label }}</span><select class="input" :aria-label="c.label" v-model="chosen[c.name]" @change="filter"><option value="">All</option><option v-for="o in options[c.name]" :key="o" :value="o">{{ o }}</option></select></label>
      <p class="grid-count" role="status">{{ count }}</p></div>
    <div ref="grid" :class="['grid', { short }]" role="region" :aria-label="label"></div></div>`,
  data() {
    return { search: "", chosen: Object.fromEntries(this.columns.map((c) => [c.name, ""])), options: {}, total: null, shown: 0, problem: "", short: false };
  },
  computed: {
    choices() {
      return this.columns.filter((c) => c.choose && (this.options[c.name]?.length ?? 0) <= MOST_CHOICES);
    },
    count() {
      if (this.problem) return this.problem;
      if (this.total === null) return "Loading …";
      const of = this.total.toLocaleString("en");
      return this.shown === this.total ? `${of} rows` : `${this.shown.toLocaleString("en")} of ${of} rows`;
    },
  },
  mounted() {
    AgGrid.ModuleRegistry.registerModules([AgGrid.AllCommunityModule]);
    this.live = this.columns.filter((c) => c.live).map((c) => c.name);
    this.narrow = window.innerWidth < 640;
    this.rows = [];
    this.waiting = [];
    this.generation = null;
    this.api = AgGrid.createGrid(this.$refs.grid, this.gridOptions());
    der.listen(this.channel, this.take);
    this.timer = setInterval(this.relook, RELOOK_MS);
    this.load();
  },
  unmounted() {
    clearInterval(this.timer);
    this.api?.destroy();
  },
  methods: {
    async load() {
      if (this.loading) return;
      this.loading = true;
      this.waiting = []; // what came before is in what is fetched now
      try {
        const whole = await (await fetch(this.url)).json();
        const names = ["id", ...this.columns.map((c) => c.name)];
        this.rows = whole.r.map((row, place) => {
          const data = { place };
          names.forEach((name, i) => (data[name] = row[i]));
          return data;
        });
        this.generation = whole.g;
        this.seq = whole.q;
        this.total = this.rows.length;
        this.problem = "";
        for (const c of this.columns.filter((c) => c.choose)) {
          const values = this.rows.map((row) => this.text(row, c));
          const known = c.kind === "state" ? Object.values(CAPTIONS) : c.options;
          this.options[c.name] = known.length ? known : [...new Set(values)].sort();
        }
        this.api.setGridOption("domLayout", this.total > FEW_ROWS ? "normal" : "autoHeight");
        this.short = this.total <= FEW_ROWS;
        this.api.flushAsyncTransactions(); // changes of the rows that were there before
        this.api.setGridOption("rowData", this.rows);
        this.api.setGridOption("loading", false);
      } catch (error) {
        this.generation = null;
        this.problem = "The rows could not be fetched; trying again";
        setTimeout(this.load, RELOOK_MS);
      }
      this.loading = false;
      this.waiting.splice(0).forEach(this.take);
    },
    take(change) {
      if (this.loading || this.generation === null) return void this.waiting.push(change);
      if (change.g > this.generation) return void this.load();
      if (change.g < this.generation || !change.r || change.q <= this.seq) return;
      const update = change.r.map(([place, ...values]) => {
        const data = { ...this.rows[place] };
        this.live.forEach((name, i) => (data[name] = values[i]));
        return (this.rows[place] = data);
      });
      this.api.applyTransactionAsync({ update });
    },
    relook() {
      this.api.refreshCells();
    },
    filter() {
      clearTimeout(this.filtering);
      this.filtering = setTimeout(() => {
        this.api.setGridOption("quickFilterText", this.search);
        this.api.onFilterChanged();
      }, 150);
    },
    state(row) {
      if (row.online === undefined) return "live";
      if (!row.online) return "off";
      if (row.at === null) return "unknown";
      return der.now() - row.at > der.staleAfter ? "stale" : "live";
    },
    // Whether a cell says how far its row can be trusted.
    tells(row, column) {
      return column.kind === "state" || (column.doubted && this.narrow && this.state(row) !== "live");
    },
    text(row, column) {
      if (this.tells(row, column)) return CAPTIONS[this.state(row)];
      const value = row[column.name];
      if (value === null || value === undefined) return "–";
      switch (column.kind) {
        case "at":
          return der.span(der.now() - value);
        case "power":
          return der.signed(value);
        case "number":
          return der.number(value);
        case "percent":
          return value.toFixed(1);
        case "count":
          return value.toLocaleString("en");
        default:
          return String(value);
      }
    },
    look(row, column) {
      const state = this.state(row);
      const classes = ["text", "state"].includes(column.kind) ? [] : ["ag-right-aligned-cell"];
      if (this.tells(row, column)) classes.push(`state-${state}`);
      else if (column.live && state !== "live") classes.push("faded");
      if (column.kind === "power" && state === "live") classes.push(der.direction(row[column.name]));
      return classes;
    },
    gridOptions() {
      const narrow = this.narrow;
      const columnDefs = this.columns
        .filter((c) => c.kind !== "hidden")
        .map((c, i) => ({
          colId: c.name,
          headerName: c.label,
          valueGetter: (p) => (c.kind === "state" ? this.text(p.data, c) : p.data[c.name]),
          valueFormatter: (p) => this.text(p.data, c),
          cellClass: (p) => this.look(p.data, c),
          getQuickFilterText: c.live ? () => "" : undefined,
          type: ["text", "state"].includes(c.kind) ? undefined : "rightAligned",
          filter: ["text", "state"].includes(c.kind) ? "agTextColumnFilter" : "agNumberColumnFilter",
          width: c.width,
          minWidth: narrow ? c.width * NARROWER : c.width,
          flex: i === 0 ? 2 : 1,
          sort: i === 0 ? "asc" : undefined,
          hide: narrow && c.wide,
          // The age grows by itself, so it must be looked at again though its value has not changed.
          equals: c.live ? () => false : undefined,
          ...(i === 0 ? { cellRenderer: this.anchor, pinned: narrow ? undefined : "left" } : {}),
        }));
      return {
        columnDefs,
        rowData: [],
        loading: true,
        getRowId: (p) => String(p.data.place),
        defaultColDef: { sortable: true, resizable: true, suppressHeaderMenuButton: narrow },
        columnMenu: "legacy",
        theme: AgGrid.themeQuartz.withParams({
          backgroundColor: "var(--surface)",
          foregroundColor: "var(--text)",
          headerBackgroundColor: "var(--raised)",
          headerTextColor: "var(--quiet)",
          borderColor: "var(--line)",
          accentColor: "var(--accent)",
          fontFamily: "inherit",
          fontSize: "13px",
          headerFontSize: "12px",
          spacing: "6px",
          wrapperBorder: false,
          ...(narrow ? { cellHorizontalPadding: "4px", fontSize: "12px" } : {}),
          rowHoverColor: "var(--raised)",
          menuBackgroundColor: "var(--surface)",
        }),
        includeHiddenColumnsInQuickFilter: true,
        asyncTransactionWaitMillis: 1000,
        deltaSort: true,
        animateRows: false,
        suppressColumnVirtualisation: true,
        suppressCellFocus: false,
        isExternalFilterPresent: () => Object.values(this.chosen).some(Boolean),
        doesExternalFilterPass: (node) => this.choices.every((c) => !this.chosen[c.name] || this.text(node.data, c) === this.chosen[c.name]),
        onModelUpdated: (e) => (this.shown = e.api.getDisplayedRowCount()),
        onCellKeyDown: (e) => e.event.key === "Enter" && (window.location.href = this.link + e.data.id),
        overlayNoRowsTemplate: "<span>No rows.</span>",
      };
    },
    anchor(params) {
      const anchor = document.createElement("a");
      anchor.href = this.link + params.data.id;
      anchor.textContent = params.value;
      return anchor;
    },
  },
};
