"""From a file to a clip: `readers` reads any audio file, `audio` resamples it and measures loudness.

`form`, `ffmpeg` and `mpeg` hold what `readers` needs of each library and format; `intake` decodes doubtful files in a
child process. `clips` makes a `ClipSet` of a file, a folder (`manifest`) or a data set (`datasets`, `choosing`), and
`uploads` makes one of a visitor's files.
"""
