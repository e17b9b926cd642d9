"""Many linear layers trained at once by AdamW: on CPU cores in numba (`cores`), on a device in torch (`batched`).

Both give the weights of plain torch on the same batches. `benchmarks/probes.py` and `benchmarks/masking.py` say what
they save.
"""
