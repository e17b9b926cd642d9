"""What is measured on latents: projections, neighbours, geometry, probes, masking, algebra, the paper's claims.

`registry` and `measures` hold the numbers by which encoders are compared, `comparison` their tables. `prepared` answers
pages and notebooks: it reads results that ship (`shipped`, `pieces`) or computes them. `fast` holds the kernels that
train many linear layers at once.
"""
