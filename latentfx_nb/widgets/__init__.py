"""Widgets of our own, and where a page runs.

`player` is the sound, `dropzone` takes files, `bridge` is the rest of a page: figures, theme, messages that were lost.
Their JavaScript is ES modules beside them, which `modules` joins; `host` tells a dashboard from a notebook.
"""
