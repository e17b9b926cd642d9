"""Networks as plain torch modules, without weights."""
