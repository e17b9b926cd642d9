"""Latents of clips, encoded once and kept: `encode` makes them, `store` keeps them labelled and checked.

`job` says what one store holds, `pipeline` renders and encodes clip by clip, `blocks` does so on the workers of a Dask
`cluster`. A store is a folder or a URL (`folders`) with a shard a clip (`shards`) and ledgers of finished clips
(`ledger`); `verify` checks all of it. `exports` writes Parquet and netCDF, and `decoding` keeps decoded sounds.
"""
