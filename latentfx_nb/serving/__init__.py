"""The pages as dashboards: `server` starts Voila (`dashboard`), whose kernels are forked (`kernels`, `preload`)."""
