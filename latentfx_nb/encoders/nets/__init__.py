"""Networks as plain torch modules, without weights.

The shipped models: `parts`, `mdct`, `diffusion` and `feedforward`. The paper's: `soundstream` and `encoder1d` encode,
`unet` decodes by diffusion; their sizes are read off weights (`sized`).
"""
