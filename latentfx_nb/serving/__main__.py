"""Voila with the house's template and forked kernels: `python -m latentfx_nb.serving FOLDER ...`, with its options.

Started like this, and not as `serving.dashboard`, the server's own imports (Voila) stay out of each forked kernel:
multiprocessing runs the main module of the parent again in every child, unless it is a package's `__main__`.
"""

if __name__ == "__main__":
    from latentfx_nb.serving.dashboard import main

    main()
