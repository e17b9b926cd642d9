"""From a file to a clip: `readers` and `intake` read any audio safely, `audio` resamples it and measures loudness.

`clips` makes a `ClipSet` of a file, a folder or a data set (`datasets`), `uploads` of what a visitor hands in.
"""
