"""What is measured on latents: projections, geometry, probes, masking, algebra, the paper's claims.

`prepared` reads what ships of all that (`shipped`), or computes it. `fast` holds the kernels that train many linear
layers at once.
"""
