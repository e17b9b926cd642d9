"""The pages as dashboards.

`server` finds a port and starts Voila in a process of its own, which `dashboard` is. Its kernels are forked (`kernels`)
from a process that has imported everything (`preload`). `bridge` holds the private names of Voila and Jupyter.
"""
