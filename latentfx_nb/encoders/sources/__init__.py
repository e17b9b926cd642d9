"""Where weights come from: files named by a sha256, hubs, converted checkpoints."""
