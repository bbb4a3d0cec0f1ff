"use strict";
// A click on a head sorts: numbers from the largest, text from a to z; again the other way round;
// a third time back to the order of the table. Rows without a value stay last, and each body of a
// table is sorted for itself, so that controls stay below.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const bodies = [...table.tBodies].map((body) => [body, [...body.rows]]);
  heads.forEach((head, column) => {
    const orders = head.dataset.kind === "number"
      ? { none: "descending", descending: "ascending", ascending: "none" }
      : { none: "ascending", ascending: "descending", descending: "none" };
    head.querySelector("button").addEventListener("click", () => {
      const order = orders[head.getAttribute("aria-sort")];
      for (const other of heads) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", order);
      for (const [body, rows] of bodies) body.append(...sorted(rows, column, head, order));
    });
  });
}

function number(text) {
  return Number(text.replace("inf", "Infinity"));  // as Python writes it
}

function sorted(rows, column, head, order) {
  if (order === "none") return rows;
  const value = (row) => row.cells[column].dataset.value;
  const compare = head.dataset.kind === "number"
    ? (a, b) => number(a) - number(b) || 0  // two infinite ones are alike
    : (a, b) => a.localeCompare(b, undefined, { numeric: true });
  const sign = order === "ascending" ? 1 : -1;
  const known = rows.filter((row) => value(row) !== "");
  known.sort((a, b) => sign * compare(value(a), value(b)));
  return [...known, ...rows.filter((row) => value(row) === "")];
}
