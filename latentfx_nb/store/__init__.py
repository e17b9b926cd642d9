"""Latents of clips, encoded once and kept: `encode` makes them, `store` keeps them labelled and checked.

`pipeline` renders and encodes ahead, `cluster` spreads blocks over machines, `exports` writes Parquet and netCDF,
`decoding` keeps decoded sounds.
"""
