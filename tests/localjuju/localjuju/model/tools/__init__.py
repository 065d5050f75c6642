"""The hook tools: a function each, over the context of one running hook."""
