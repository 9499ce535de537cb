"use strict";
// Sorts and filters the tables, and opens what is folded for the printer. The page is complete without it: it only adds controls.
(() => {
  // A shorter table is seen at a glance.
  const ROWS_TO_SORT = 3, ROWS_TO_FILTER = 9;
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    element.className = name;
    element.textContent = text;
    return element;
  };

  // A cell's number or text; null where it has none.
  const valueOf = (cell) => {
    if (cell.classList.contains("n")) return "v" in cell.dataset ? Number(cell.dataset.v) : null;
    const text = cell.textContent.trim();
    return text === "" || text === "\u2013" ? null : text;
  };

  // Sorts what is missing last in both directions, and leaves equal rows in their order.
  const sorted = (rows, column, direction) => {
    const sign = direction === "ascending" ? 1 : -1;
    const keyed = rows.map((row) => [valueOf(row.cells[column]), row]);
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * (typeof a === "number" ? a - b : collator.compare(a, b));
    });
    return keyed.map(([, row]) => row);
  };

  const sortable = (table) => {
    const body = table.tBodies[0], original = [...body.rows], heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      // Numbers begin with the largest, names with A; the third time brings the order of the report back.
      const turns = head.classList.contains("n") ? ["descending", "ascending"] : ["ascending", "descending"];
      const button = make("button", "sort", "");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const next = turns[turns.indexOf(head.getAttribute("aria-sort")) + 1];
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (next) head.setAttribute("aria-sort", next);
        body.append(...(next ? sorted(original, column, next) : original));
      });
    });
  };

  // One spelling for what a reader types and what stands in the table.
  const plain = (text) => text.toLowerCase().replaceAll("\u2212", "-").replaceAll("\u00a0", " ");

  const filterable = (table, title) => {
    const rows = [...table.tBodies[0].rows];
    const texts = rows.map((row) => plain([...row.cells].map((cell) => cell.textContent).join(" ")));
    const bar = make("div", "filter", ""), input = make("input", "", ""), status = make("output", "", "");
    input.type = "search";
    input.placeholder = "Filter rows";
    input.setAttribute("aria-label", `Filter the rows of: ${title}`);
    input.autocomplete = "off";
    input.addEventListener("input", () => {
      const words = plain(input.value).split(" ").filter(Boolean);
      const kept = texts.map((text) => words.every((word) => text.includes(word)));
      rows.forEach((row, place) => { row.hidden = !kept[place]; });
      status.textContent = words.length ? `${kept.filter(Boolean).length} of ${rows.length} rows` : "";
    });
    bar.append(input, status);
    table.parentElement.before(bar);
  };

  for (const scroll of document.querySelectorAll("figure.table .scroll")) {
    const table = scroll.querySelector("table"), count = table.tBodies[0].rows.length;
    if (count >= ROWS_TO_SORT) sortable(table);
    if (count >= ROWS_TO_FILTER) filterable(table, scroll.getAttribute("aria-label"));
  }

  // Style sheets open what is folded where the browser knows ::details-content; this does so elsewhere.
  const opened = [];
  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details:not([open])")) {
      fold.open = true;
      opened.push(fold);
    }
  });
  addEventListener("afterprint", () => {
    for (const fold of opened.splice(0)) fold.open = false;
  });
})();
