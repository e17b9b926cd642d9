// How a table is sorted: by a column, the best first, or the other way round; what is unknown comes last.

const REVERSED = "-";

/** Return the column that a sorting names, and whether it is the other way round. */
export function parsed(sorting) {
  const reversed = sorting.startsWith(REVERSED);
  return { name: reversed ? sorting.slice(1) : sorting, reversed };
}

/** Return the sorting after a press on the head of column `name`: the best first, then the other way. */
export function pressed(sorting, name) {
  return sorting === name ? `${REVERSED}${name}` : name;
}

/** Return what `aria-sort` says of column `name`; "none" of those that the table is not sorted by. */
export function ariaSort(sorting, { name, better }) {
  const by = parsed(sorting);
  if (by.name !== name) return "none";
  return (better === "less") === by.reversed ? "descending" : "ascending";
}

/** Return the rows in the order of a sorting; each has `values` by column, null where they are unknown. */
export function sorted(rows, columns, sorting) {
  const { name, reversed } = parsed(sorting);
  const column = columns.find((one) => one.name === name);
  if (!column) return rows;
  const sign = (column.better === "less") === reversed ? -1 : 1;
  const key = ({ values }) => (values[name] === null ? Infinity : sign * values[name]);
  return rows.toSorted((one, other) => Math.sign(key(one) - key(other)) || 0);
}
