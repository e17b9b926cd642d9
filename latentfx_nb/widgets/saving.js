// Files that Python hands to the visitor.

/** Save the first of `buffers`, a DataView, as the file that a message names. */
export function saveFile({ name, type }, [content]) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // some browsers read it only after the click
}
