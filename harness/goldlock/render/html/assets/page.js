"use strict";
(() => {
  const root = document.documentElement;
  const STORE = "goldlock-theme";
  const SPARE_ROWS = 12;
  // Browsers stop laying out elements that are taller than some millions of pixels.
  const TALLEST = 8e6;

  // -- theme: the system's, unless the reader chose one -------------------------------------------

  function stored() {
    try {
      return localStorage.getItem(STORE);
    } catch {
      return null;
    }
  }
  const chosen = stored();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  function themes() {
    const button = document.getElementById("theme");
    const system = matchMedia("(prefers-color-scheme: dark)");
    const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
    const show = () => button.setAttribute("aria-pressed", String(dark()));
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      try {
        localStorage.setItem(STORE, root.dataset.theme);
      } catch {
        // Nothing can be kept here; the choice holds for this page.
      }
      show();
    });
    system.addEventListener("change", show);
    button.hidden = false;
    show();
  }

  // -- copying ------------------------------------------------------------------------------------

  function announce(text) {
    document.getElementById("announce").textContent = text;
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    const pairs = [...source.querySelectorAll("div")];
    const text = pairs.length
      ? pairs.map((pair) => [...pair.children].map((part) => part.textContent).join(": ")).join("\n")
      : source.textContent;
    const label = button.dataset.label || button.textContent;
    button.dataset.label = label;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
      announce("Copied to the clipboard");
      setTimeout(() => (button.textContent = label), 2000);
    } catch {
      // Some browsers give no clipboard to a file: the text is selected instead.
      getSelection().selectAllChildren(source);
      announce("Selected: copy it with the keyboard");
    }
  }

  // -- the table of rows ---------------------------------------------------------------------------

  /** What a cell is sorted by: numbers before text, NaN and empty cells last. */
  function keyOf(text) {
    if (text === "" || text === "nan") return NaN;
    if (text === "inf") return Infinity;
    if (text === "-inf") return -Infinity;
    const number = Number(text);
    return Number.isNaN(number) ? text : number;
  }

  class Rows {
    constructor(section) {
      this.data = JSON.parse(section.querySelector("script.data").textContent);
      this.total = this.data.column.length;
      this.columns = [
        this.data.column.map((number) => this.data.names[number]),
        this.data.column.map((number) => this.data.rungs[number]),
        ...this.data.cells,
      ];
      this.numbers = [false, false, ...this.data.headings.map((heading) => heading[1])];
      this.scroller = section.querySelector(".scroller");
      this.table = section.querySelector("table");
      this.body = this.table.tBodies[0];
      this.status = section.querySelector(".shown-rows");
      this.byColumn = section.querySelector(".by-column");
      this.byRung = section.querySelector(".by-rung");
      this.byText = section.querySelector(".by-text");
      this.sorted = { column: -1, down: false };
      this.order = Uint32Array.from({ length: this.total }, (_, place) => place);
      this.keys = new Map();
      this.paper = false;
      this.prepare(section);
    }

    prepare(section) {
      this.offerRungs();
      this.setWidths();
      [...this.table.tHead.rows[0].cells].forEach((cell, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.append(...cell.childNodes);
        button.addEventListener("click", () => this.sort(column));
        cell.append(button);
        cell.setAttribute("aria-sort", "none");
      });
      this.table.classList.add("live");
      this.scroller.classList.add("live");
      section.querySelector(".tools").hidden = false;
      section.querySelector(".first")?.remove();
      this.byColumn.addEventListener("change", () => this.filter());
      this.byRung.addEventListener("change", () => this.filter());
      let waiting = 0;
      this.byText.addEventListener("input", () => {
        clearTimeout(waiting);
        waiting = setTimeout(() => this.filter(), 120);
      });
      let asked = false;
      const soon = () => {
        if (asked) return;
        asked = true;
        requestAnimationFrame(() => {
          asked = false;
          this.draw();
        });
      };
      this.scroller.addEventListener("scroll", soon, { passive: true });
      new ResizeObserver(soon).observe(this.scroller);
      this.filter();
    }

    /** Only the rungs that some row has. */
    offerRungs() {
      const present = new Set(this.data.rungs);
      for (const option of [...this.byRung.options]) {
        if (option.value && !present.has(option.value)) option.remove();
      }
    }

    /** Fixed, so that nothing jumps while other rows come into view. */
    setWidths() {
      const group = document.createElement("colgroup");
      [...this.table.tHead.rows[0].cells].forEach((cell, column) => {
        let longest = cell.textContent.length + 3;
        for (const text of this.columns[column]) if (text.length > longest) longest = text.length;
        const part = document.createElement("col");
        part.style.width = `${Math.min(Math.max(longest, 5), 26) + 3}ch`;
        group.append(part);
      });
      this.table.insertBefore(group, this.table.tHead);
    }

    keysOf(column) {
      if (!this.keys.has(column)) this.keys.set(column, this.columns[column].map(keyOf));
      return this.keys.get(column);
    }

    sort(column) {
      const down = this.sorted.column === column ? !this.sorted.down : this.numbers[column] && column > 3;
      this.sorted = { column, down };
      [...this.table.tHead.rows[0].cells].forEach((cell, place) => {
        cell.setAttribute("aria-sort", place !== column ? "none" : down ? "descending" : "ascending");
      });
      const keys = this.keysOf(column);
      const sign = down ? -1 : 1;
      // The order before is kept among equals.
      const places = new Uint32Array(this.total);
      this.order.forEach((row, place) => (places[row] = place));
      this.order.sort((one, other) => {
        const a = keys[one];
        const b = keys[other];
        if (a === b) return places[one] - places[other];
        const noneA = a !== a;
        const noneB = b !== b;
        if (noneA || noneB) return noneA && noneB ? places[one] - places[other] : noneA ? 1 : -1;
        if (typeof a !== typeof b) return typeof a === "number" ? -sign : sign;
        return a < b ? -sign : sign;
      });
      this.filter();
      announce(`Sorted by ${this.table.tHead.rows[0].cells[column].textContent.trim()}, ${down ? "descending" : "ascending"}`);
    }

    filter() {
      const column = this.byColumn.value === "" ? -1 : Number(this.byColumn.value);
      const rung = this.byRung.value;
      const text = this.byText.value.trim().toLowerCase();
      const { column: columns, cells } = this.data;
      const { names, rungs } = this.data;
      this.shown = this.order.filter((row) => {
        if (column >= 0 && columns[row] !== column) return false;
        if (rung && rungs[columns[row]] !== rung) return false;
        return (
          !text ||
          names[columns[row]].toLowerCase().includes(text) ||
          cells.some((values) => values[row].toLowerCase().includes(text))
        );
      });
      const count = (number) => number.toLocaleString("en");
      this.status.textContent =
        this.shown.length === this.total
          ? `${count(this.total)} rows`
          : `${count(this.shown.length)} of ${count(this.total)} rows`;
      this.scroller.scrollTop = 0;
      this.draw();
    }

    row(place) {
      const number = this.shown[place];
      const row = document.createElement("tr");
      row.setAttribute("aria-rowindex", String(place + 2));
      if (place % 2) row.className = "odd";
      this.columns.forEach((values, column) => {
        const cell = document.createElement("td");
        if (this.numbers[column]) cell.className = "number";
        const text = values[number];
        cell.textContent = text;
        if (text.length > 24) cell.title = text;
        row.append(cell);
      });
      return row;
    }

    spacer(height) {
      const row = document.createElement("tr");
      row.className = "spacer";
      row.setAttribute("aria-hidden", "true");
      const cell = document.createElement("td");
      cell.colSpan = this.columns.length;
      cell.style.height = `${height}px`;
      row.append(cell);
      return row;
    }

    /** Only the rows in view, and some above and below; the rest is empty height. */
    draw() {
      const { shown, body } = this;
      this.table.setAttribute("aria-rowcount", String(shown.length + 1));
      if (!shown.length) {
        const row = document.createElement("tr");
        const cell = document.createElement("td");
        cell.colSpan = this.columns.length;
        cell.className = "nothing";
        cell.textContent = "No row is like that.";
        row.append(cell);
        body.replaceChildren(row);
        return;
      }
      if (this.paper) {
        body.replaceChildren(...Array.from({ length: Math.min(50, shown.length) }, (_, place) => this.row(place)));
        return;
      }
      if (!this.height) {
        body.replaceChildren(this.row(0));
        this.height = body.rows[0].getBoundingClientRect().height || 0;
        // Inside something that is folded there is no height yet; the observer calls again.
        if (!this.height) return;
      }
      const scale = Math.max(1, (shown.length * this.height) / TALLEST);
      const fits = Math.ceil(this.scroller.clientHeight / this.height);
      const top = Math.floor((this.scroller.scrollTop * scale) / this.height);
      const first = Math.max(0, Math.min(top, shown.length - fits) - SPARE_ROWS);
      const last = Math.min(shown.length, first + fits + 2 * SPARE_ROWS);
      const rows = [];
      if (first) rows.push(this.spacer((first * this.height) / scale));
      for (let place = first; place < last; place++) rows.push(this.row(place));
      if (last < shown.length) rows.push(this.spacer(((shown.length - last) * this.height) / scale));
      body.replaceChildren(...rows);
    }

    only(column) {
      this.byColumn.value = String(column);
      this.byRung.value = "";
      this.byText.value = "";
      this.filter();
      this.scroller.closest("details").open = true;
      this.scroller.closest(".rows").scrollIntoView();
      this.scroller.focus({ preventScroll: true });
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    themes();
    for (const button of document.querySelectorAll("button.copy")) {
      button.hidden = false;
      button.addEventListener("click", () => copy(button));
    }
    const tables = new Map();
    for (const section of document.querySelectorAll("div.rows")) tables.set(section.id, new Rows(section));
    for (const button of document.querySelectorAll("button[data-rows]")) {
      button.hidden = false;
      button.addEventListener("click", () => tables.get(button.dataset.rows).only(Number(button.dataset.column)));
    }
    const folds = () => document.querySelectorAll("details:not([open])");
    // Some browsers tell of the same printing twice.
    let opened = [];
    addEventListener("beforeprint", () => {
      for (const fold of folds()) {
        opened.push(fold);
        fold.open = true;
      }
      for (const table of tables.values()) {
        table.paper = true;
        table.draw();
      }
    });
    addEventListener("afterprint", () => {
      for (const fold of opened) fold.open = false;
      opened = [];
      for (const table of tables.values()) {
        table.paper = false;
        table.draw();
      }
    });
  });
})();
