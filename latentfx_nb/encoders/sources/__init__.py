"""Where weights come from: `weights` finds, fetches and verifies files, `checkpoints` converts the paper's."""
