"""Who looks at a page: the owner of its kernel in a notebook, or anybody on a dashboard."""

import os


def is_dashboard() -> bool:
    """Say whether this kernel is Voila's, so that anybody may be looking at its page.

    A preheated kernel was started before any request, and has VOILA_PREHEAT instead of the request's variables.
    """
    return "VOILA_PREHEAT" in os.environ or os.environ.get("SERVER_SOFTWARE", "").startswith("voila")


def owns_kernel() -> bool:
    """Say whether the visitor of the page may read this machine's folders, as the owner of a notebook's kernel may.

    A dashboard's visitors may only if `LATENTFX_ALLOW_FOLDERS=1` was set when Voila was started.
    """
    return not is_dashboard() or os.environ.get("LATENTFX_ALLOW_FOLDERS") == "1"
