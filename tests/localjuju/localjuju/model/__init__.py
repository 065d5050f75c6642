"""The model's state and what comes next: plain data and decisions, without I/O or threads."""
