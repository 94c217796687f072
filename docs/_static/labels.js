// Phones show a row as lines (custom.css). With more than two columns, each says what it is.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("table.docutils")) {
    const headings = [...(table.tHead?.rows[0].cells ?? [])].map((cell) => cell.textContent.trim());
    if (headings.length < 3) continue;
    table.dataset.columns = headings.length;
    for (const row of table.tBodies[0].rows)
      [...row.cells].forEach((cell, column) => { cell.dataset.heading = headings[column]; });
  }
});
