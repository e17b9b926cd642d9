"""Who looks at a page: the owner of its kernel in a notebook, or anybody on a dashboard."""

import os


def is_dashboard() -> bool:
    """Say whether this is a kernel of Voila's, whose page anybody may be looking at. Preheated ones know no request."""
    return "VOILA_PREHEAT" in os.environ or os.environ.get("SERVER_SOFTWARE", "").startswith("voila")


def owns_kernel() -> bool:
    """Say whether whoever looks at the page may read this machine's folders: not a visitor of a dashboard.

    In Voila they may if `LATENTFX_ALLOW_FOLDERS=1` was set when it was started.
    """
    return not is_dashboard() or os.environ.get("LATENTFX_ALLOW_FOLDERS") == "1"
