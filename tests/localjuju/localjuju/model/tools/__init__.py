"""The hook tools: one function each, with the context of one running hook."""
